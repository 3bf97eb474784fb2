// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/fnv"
	"strings"
	"time"

	_ "github.com/go-sql-driver/mysql"
)

// The statements are toq's, to the letter: handlers/listings/store/listings_store.c and listings_sql.c.
const (
	fieldColumns = "title,description,kind,purpose,price_cents,currency,street,neighborhood,city,state," +
		"postal_code,bedrooms,bathrooms,area_m2,status"
	columns    = "id," + fieldColumns + ",version,created_at,updated_at"
	textGet    = "SELECT " + columns + " FROM listings WHERE id=?"
	textUpdate = "UPDATE listings SET title=?,description=?,kind=?,purpose=?,price_cents=?,currency=?," +
		"street=?,neighborhood=?,city=?,state=?,postal_code=?,bedrooms=?,bathrooms=?,area_m2=?," +
		"status=?,updated_at=?,version=version+1 WHERE id=? AND version=?"
	textPage = "SELECT " + columns + " FROM listings WHERE status=? AND city=? " +
		"ORDER BY created_at DESC,id DESC LIMIT ?"
)

var errNotFound = sql.ErrNoRows
var errVersion = errors.New("another version")

type store struct {
	get, update, page *sql.Stmt
}

func openStore(dsn string, connections int) (*store, error) {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	db.SetConnMaxLifetime(4 * time.Minute) // as toq's pool
	s := &store{}
	for _, one := range []struct {
		stmt **sql.Stmt
		text string
	}{{&s.get, textGet}, {&s.update, textUpdate}, {&s.page, textPage}} {
		if *one.stmt, err = db.Prepare(one.text); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *store) read(ctx context.Context, id string) (listing, error) {
	l, _, err := scanListing(s.get.QueryRowContext(ctx, id).Scan)
	return l, err
}

// write stores l over the version it has, which grows by one.
func (s *store) write(ctx context.Context, l *listing) error {
	now := time.Now().UTC().Truncate(time.Microsecond)
	result, err := s.update.ExecContext(ctx, l.Title, l.Description, l.Kind, l.Purpose, l.PriceCents,
		l.Currency, l.Street, l.Neighborhood, l.City, l.State, l.PostalCode, l.Bedrooms, l.Bathrooms,
		l.AreaM2, l.Status, now, l.ID, l.Version)
	if err != nil {
		return err
	}
	if count, err := result.RowsAffected(); err != nil || count != 1 {
		return errVersion
	}
	l.Version++
	l.UpdatedAt = now.Format(timeLayout)
	return nil
}

func (s *store) list(ctx context.Context, city string, limit int) (page, error) {
	rows, err := s.page.QueryContext(ctx, "published", city, limit+1)
	if err != nil {
		return page{}, err
	}
	defer rows.Close()
	p := page{Items: make([]listing, 0, limit+1)}
	times := make([]time.Time, 0, limit+1)
	for rows.Next() {
		l, created, err := scanListing(rows.Scan)
		if err != nil {
			return page{}, err
		}
		p.Items = append(p.Items, l)
		times = append(times, created)
	}
	if len(p.Items) > limit {
		p.Items = p.Items[:limit]
		cursor := encodeCursor(times[limit-1], p.Items[limit-1].ID, city)
		p.NextCursor = &cursor
	}
	return p, rows.Err()
}

// encodeCursor makes a cursor of toq's size, of the same parts. Nobody reads it here.
func encodeCursor(created time.Time, id, city string) string {
	var bytes [34]byte
	check := fnv.New64a()
	check.Write([]byte(id))
	check.Write([]byte(city))
	binary.BigEndian.PutUint64(bytes[2:], uint64(created.UnixMicro()))
	_, _ = hex.Decode(bytes[10:], []byte(strings.ReplaceAll(id, "-", "")))
	binary.BigEndian.PutUint64(bytes[26:], check.Sum64())
	return base64.RawURLEncoding.EncodeToString(bytes[:])
}
