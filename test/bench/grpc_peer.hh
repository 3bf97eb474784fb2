// SPDX-License-Identifier: MIT

// grpc_peer.hh is what the grpc++ services of the bench share: a server by the asynchronous interface,
// with one completion queue, on PEER_PORT.
#pragma once

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

constexpr int kWaitingCalls = 256;  // that are ready to be taken

struct Peer {
  std::unique_ptr<grpc::ServerCompletionQueue> queue;
  std::unique_ptr<grpc::Server> server;
};

// Start serves, with so many calls waiting, or ends the program. A Call is made of the service and the
// queue, and waits from then on.
template <typename Call, typename Service>
Peer Start(Service *service) {
  const std::string address = std::string("127.0.0.1:") + std::getenv("PEER_PORT");
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterService(service);
  Peer peer;
  peer.queue = builder.AddCompletionQueue();
  peer.server = builder.BuildAndStart();
  if (peer.server == nullptr) {
    std::cerr << "cannot listen on " << address << "\n";
    std::exit(1);
  }
  for (int i = 0; i < kWaitingCalls; i++) {
    new Call(service, peer.queue.get());
  }
  return peer;
}

// Work lets calls proceed, one after the other, with what they need for it.
template <typename Call, typename... Needs>
void Work(grpc::ServerCompletionQueue *queue, Needs... needs) {
  void *call;
  bool ok;
  while (queue->Next(&call, &ok)) {
    static_cast<Call *>(call)->Proceed(ok, needs...);
  }
}
