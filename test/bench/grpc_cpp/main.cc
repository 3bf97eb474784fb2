// SPDX-License-Identifier: MIT

// grpc_cpp answers grpc.testing.TestService's unary calls as a grpc++ service would that has one core: by
// the asynchronous interface, with one completion queue and one thread. It listens on PEER_PORT.
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

#include "grpc/testing/test.grpc.pb.h"

namespace {

using grpc::testing::SimpleRequest;
using grpc::testing::SimpleResponse;
using grpc::testing::TestService;

constexpr int kWaitingCalls = 256;  // that are ready to be taken

// One call: waits for a client, answers, makes room for the next.
class Call {
 public:
  Call(TestService::AsyncService *service, grpc::ServerCompletionQueue *queue)
      : service_(service), queue_(queue), writer_(&context_) {
    service_->RequestUnaryCall(&context_, &request_, &writer_, queue_, queue_, this);
  }

  void Proceed(bool ok) {
    if (!ok || is_answered_) {
      delete this;
      return;
    }
    new Call(service_, queue_);
    is_answered_ = true;
    response_.mutable_payload()->mutable_body()->resize(request_.response_size());
    writer_.Finish(response_, grpc::Status::OK, this);
  }

 private:
  TestService::AsyncService *service_;
  grpc::ServerCompletionQueue *queue_;
  grpc::ServerContext context_;
  SimpleRequest request_;
  SimpleResponse response_;
  grpc::ServerAsyncResponseWriter<SimpleResponse> writer_;
  bool is_answered_ = false;
};

}  // namespace

int main() {
  const std::string address = std::string("127.0.0.1:") + std::getenv("PEER_PORT");
  TestService::AsyncService service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::ServerCompletionQueue> queue = builder.AddCompletionQueue();
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    std::cerr << "cannot listen on " << address << "\n";
    return 1;
  }
  for (int i = 0; i < kWaitingCalls; i++) {
    new Call(&service, queue.get());
  }
  void *call;
  bool ok;
  while (queue->Next(&call, &ok)) {
    static_cast<Call *>(call)->Proceed(ok);
  }
  return 0;
}
