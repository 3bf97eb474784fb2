// SPDX-License-Identifier: MIT

// grpc_cpp answers grpc.testing.TestService's unary calls as a grpc++ service would that has one core: by
// the asynchronous interface, with one completion queue and one thread. It listens on PEER_PORT.
#include "grpc/testing/test.grpc.pb.h"
#include "test/bench/grpc_peer.hh"

namespace {

using grpc::testing::SimpleRequest;
using grpc::testing::SimpleResponse;
using grpc::testing::TestService;

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
  TestService::AsyncService service;
  const Peer peer = Start<Call>(&service);
  Work<Call>(peer.queue.get());
  return 0;
}
