// SPDX-License-Identifier: MIT

// grpc_listing_go answers toq.v1.ListingService/GetListing as a grpc-go service would: go-sql-driver
// with a prepared statement, toq's SQL, no cache. MySQL is named by toq's variables; it listens on
// PEER_PORT.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/golang/protobuf/ptypes/timestamp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	toqv1 "toq/v1"
)

const (
	connections = 16 // toq's MYSQL_POOL_SIZE
	// As in handlers/listings/store/listings_store.c.
	textGet = "SELECT id,title,description,kind,purpose,price_cents,currency,street,neighborhood,city," +
		"state,postal_code,bedrooms,bathrooms,area_m2,status,version,created_at,updated_at " +
		"FROM listings WHERE id=?"
)

type service struct {
	toqv1.UnimplementedListingServiceServer
	get *sql.Stmt
}

// row has the values that a message points at, so that they are one allocation.
type row struct {
	id, title, description, kind, purpose, currency, street, neighborhood, city, state string
	postalCode, status                                                                 string
	priceCents, bedrooms, bathrooms, areaM2                                            int64
	version                                                                            uint64
	created, updated                                                                   time.Time
}

func (r *row) message() *toqv1.Listing {
	return &toqv1.Listing{
		Id: &r.id, Version: &r.version, Title: &r.title, Description: &r.description, Kind: &r.kind,
		Purpose: &r.purpose, PriceCents: &r.priceCents, Currency: &r.currency, Street: &r.street,
		Neighborhood: &r.neighborhood, City: &r.city, State: &r.state, PostalCode: &r.postalCode,
		Bedrooms: &r.bedrooms, Bathrooms: &r.bathrooms, AreaM2: &r.areaM2, Status: &r.status,
		CreatedAt: &timestamp.Timestamp{Seconds: r.created.Unix(), Nanos: int32(r.created.Nanosecond())},
		UpdatedAt: &timestamp.Timestamp{Seconds: r.updated.Unix(), Nanos: int32(r.updated.Nanosecond())},
	}
}

func (s *service) GetListing(ctx context.Context, request *toqv1.GetListingRequest) (*toqv1.Listing, error) {
	var r row
	err := s.get.QueryRowContext(ctx, request.GetId()).Scan(&r.id, &r.title, &r.description, &r.kind,
		&r.purpose, &r.priceCents, &r.currency, &r.street, &r.neighborhood, &r.city, &r.state,
		&r.postalCode, &r.bedrooms, &r.bathrooms, &r.areaM2, &r.status, &r.version, &r.created,
		&r.updated)
	switch err {
	case nil:
		return r.message(), nil
	case sql.ErrNoRows:
		return nil, status.Error(codes.NotFound, "no such listing")
	default:
		return nil, status.Error(codes.Unavailable, err.Error())
	}
}

func main() {
	db, err := sql.Open("mysql", fmt.Sprintf("%s:%s@tcp(%s:%s)/%s?parseTime=true&charset=utf8mb4",
		os.Getenv("MYSQL_USER"), os.Getenv("MYSQL_PASSWORD"), os.Getenv("MYSQL_HOST"),
		os.Getenv("MYSQL_PORT"), os.Getenv("MYSQL_DATABASE")))
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	get, err := db.Prepare(textGet)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PEER_PORT"))
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	toqv1.RegisterListingServiceServer(server, &service{get: get})
	log.Fatal(server.Serve(listener))
}
