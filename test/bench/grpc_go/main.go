// SPDX-License-Identifier: MIT

// grpc_go answers grpc.testing.TestService's unary calls as a grpc-go service would, on PEER_PORT.
package main

import (
	"context"
	"log"
	"net"
	"os"

	"google.golang.org/grpc"

	"grpc/testing"
)

type service struct {
	testing.UnimplementedTestServiceServer
}

func (*service) EmptyCall(context.Context, *testing.Empty) (*testing.Empty, error) {
	return &testing.Empty{}, nil
}

func (*service) UnaryCall(_ context.Context, r *testing.SimpleRequest) (*testing.SimpleResponse, error) {
	return &testing.SimpleResponse{Payload: &testing.Payload{Body: make([]byte, r.ResponseSize)}}, nil
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PEER_PORT"))
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	testing.RegisterTestServiceServer(server, &service{})
	log.Fatal(server.Serve(listener))
}
