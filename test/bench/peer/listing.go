// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

const timeLayout = "2006-01-02T15:04:05.000000Z"

// listing is a row of MySQL and its JSON, with the fields in toq's order.
type listing struct {
	ID           string `json:"id"`
	Title        string `json:"title"`
	Description  string `json:"description"`
	Kind         string `json:"kind"`
	Purpose      string `json:"purpose"`
	PriceCents   int64  `json:"price_cents"`
	Currency     string `json:"currency"`
	Street       string `json:"street"`
	Neighborhood string `json:"neighborhood"`
	City         string `json:"city"`
	State        string `json:"state"`
	PostalCode   string `json:"postal_code"`
	Bedrooms     int64  `json:"bedrooms"`
	Bathrooms    int64  `json:"bathrooms"`
	AreaM2       int64  `json:"area_m2"`
	Status       string `json:"status"`
	Version      uint64 `json:"version"`
	CreatedAt    string `json:"created_at"`
	UpdatedAt    string `json:"updated_at"`
}

// page is a list as clients get it.
type page struct {
	Items      []listing `json:"items"`
	NextCursor *string   `json:"next_cursor"`
}

func scanListing(scan func(...interface{}) error) (listing, time.Time, error) {
	var l listing
	var created, updated time.Time
	err := scan(&l.ID, &l.Title, &l.Description, &l.Kind, &l.Purpose, &l.PriceCents, &l.Currency,
		&l.Street, &l.Neighborhood, &l.City, &l.State, &l.PostalCode, &l.Bedrooms, &l.Bathrooms,
		&l.AreaM2, &l.Status, &l.Version, &created, &updated)
	l.CreatedAt = created.Format(timeLayout)
	l.UpdatedAt = updated.Format(timeLayout)
	return l, created, err
}

// patch is a JSON Merge Patch; what is absent is nil.
type patch struct {
	Title        *string `json:"title"`
	Description  *string `json:"description"`
	Kind         *string `json:"kind"`
	Purpose      *string `json:"purpose"`
	PriceCents   *int64  `json:"price_cents"`
	Currency     *string `json:"currency"`
	Street       *string `json:"street"`
	Neighborhood *string `json:"neighborhood"`
	City         *string `json:"city"`
	State        *string `json:"state"`
	PostalCode   *string `json:"postal_code"`
	Bedrooms     *int64  `json:"bedrooms"`
	Bathrooms    *int64  `json:"bathrooms"`
	AreaM2       *int64  `json:"area_m2"`
	Status       *string `json:"status"`
}

// decodePatch is strict about names and types, as toq is.
func decodePatch(body io.Reader) (patch, error) {
	var p patch
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&p)
	return p, err
}

func (p *patch) apply(l *listing) error {
	texts := []struct {
		from *string
		to   *string
		max  int
	}{
		{p.Title, &l.Title, 200}, {p.Description, &l.Description, 5000}, {p.Kind, &l.Kind, 10},
		{p.Purpose, &l.Purpose, 10}, {p.Currency, &l.Currency, 3}, {p.Street, &l.Street, 200},
		{p.Neighborhood, &l.Neighborhood, 100}, {p.City, &l.City, 100}, {p.State, &l.State, 2},
		{p.PostalCode, &l.PostalCode, 9}, {p.Status, &l.Status, 10},
	}
	for _, text := range texts {
		if text.from != nil {
			if len([]rune(*text.from)) > text.max {
				return fmt.Errorf("a text is too long")
			}
			*text.to = *text.from
		}
	}
	numbers := []struct{ from, to *int64 }{
		{p.PriceCents, &l.PriceCents}, {p.Bedrooms, &l.Bedrooms}, {p.Bathrooms, &l.Bathrooms},
		{p.AreaM2, &l.AreaM2},
	}
	for _, number := range numbers {
		if number.from != nil {
			if *number.from < 0 {
				return fmt.Errorf("a number is too small")
			}
			*number.to = *number.from
		}
	}
	return nil
}
