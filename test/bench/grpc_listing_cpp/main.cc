// SPDX-License-Identifier: MIT

// grpc_listing_cpp answers toq.v1.ListingService/GetListing as a grpc++ service would: one completion
// queue, and a thread for each connection to MySQL, as libmariadb waits for answers; prepared
// statements, toq's SQL, no cache. MySQL is named by toq's variables; it listens on PEER_PORT.
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <mysql.h>

#include "test/bench/grpc_peer.hh"
#include "toq/v1/listings.grpc.pb.h"

namespace {

using toq::v1::GetListingRequest;
using toq::v1::Listing;
using toq::v1::ListingService;
using Service = ListingService::WithAsyncMethod_GetListing<ListingService::Service>;

constexpr int kConnections = 16;     // toq's MYSQL_POOL_SIZE
constexpr size_t kTextBytes = 20000; // the longest is a description, 5000 characters
// As in handlers/listings/store/listings_store.c.
constexpr char kGet[] =
    "SELECT id,title,description,kind,purpose,price_cents,currency,street,neighborhood,city,state,"
    "postal_code,bedrooms,bathrooms,area_m2,status,version,created_at,updated_at FROM listings "
    "WHERE id=?";
constexpr char kColumns[] = "tttttnttttttnnntndd";  // text, number, date

// One connection with its statement, and the row that came last. Of one thread.
class Store {
 public:
  bool Open() {
    const unsigned protocol = MYSQL_PROTOCOL_TCP;
    mysql_options(mysql_, MYSQL_OPT_PROTOCOL, &protocol);
    mysql_options(mysql_, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (mysql_real_connect(mysql_, std::getenv("MYSQL_HOST"), std::getenv("MYSQL_USER"),
                           std::getenv("MYSQL_PASSWORD"), std::getenv("MYSQL_DATABASE"),
                           std::atoi(std::getenv("MYSQL_PORT")), nullptr, 0) == nullptr) {
      return false;
    }
    get_ = mysql_stmt_init(mysql_);
    Bind();
    return mysql_stmt_prepare(get_, kGet, sizeof(kGet) - 1) == 0 &&
           mysql_stmt_bind_result(get_, columns_) == 0;
  }

  std::string Error() const { return mysql_error(mysql_); }

  grpc::Status Read(const std::string &id, Listing *listing) {
    MYSQL_BIND key = {};
    key.buffer_type = MYSQL_TYPE_STRING;
    key.buffer = const_cast<char *>(id.data());
    key.buffer_length = id.size();
    if (mysql_stmt_bind_param(get_, &key) != 0 || mysql_stmt_execute(get_) != 0) {
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, mysql_stmt_error(get_));
    }
    const int fetched = mysql_stmt_fetch(get_);
    mysql_stmt_free_result(get_);
    if (fetched == MYSQL_NO_DATA) {
      return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such listing");
    }
    if (fetched != 0) {
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, mysql_stmt_error(get_));
    }
    Write(listing);
    return grpc::Status::OK;
  }

 private:
  struct Text {
    char bytes[kTextBytes];
    unsigned long length;
    std::string string() const { return std::string(bytes, length); }
  };

  void Bind() {
    Text *text = texts_;
    int64_t *number = numbers_;
    MYSQL_TIME *time = times_;
    for (size_t i = 0; i < sizeof(kColumns) - 1; i++) {
      MYSQL_BIND &column = columns_[i];
      if (kColumns[i] == 't') {
        column.buffer_type = MYSQL_TYPE_STRING;
        column.buffer = text->bytes;
        column.buffer_length = sizeof(text->bytes);
        column.length = &text++->length;
      } else if (kColumns[i] == 'n') {
        column.buffer_type = MYSQL_TYPE_LONGLONG;
        column.buffer = number++;
      } else {
        column.buffer_type = MYSQL_TYPE_DATETIME;
        column.buffer = time++;
      }
    }
  }

  static void WriteTime(const MYSQL_TIME &from, google::protobuf::Timestamp *to) {
    std::tm parts = {};
    parts.tm_year = static_cast<int>(from.year) - 1900;
    parts.tm_mon = static_cast<int>(from.month) - 1;
    parts.tm_mday = static_cast<int>(from.day);
    parts.tm_hour = static_cast<int>(from.hour);
    parts.tm_min = static_cast<int>(from.minute);
    parts.tm_sec = static_cast<int>(from.second);
    to->set_seconds(timegm(&parts));
    to->set_nanos(static_cast<int>(from.second_part) * 1000);
  }

  void Write(Listing *listing) const {
    const Text *text = texts_;
    listing->set_id(text++->string());
    listing->set_title(text++->string());
    listing->set_description(text++->string());
    listing->set_kind(text++->string());
    listing->set_purpose(text++->string());
    listing->set_currency(text++->string());
    listing->set_street(text++->string());
    listing->set_neighborhood(text++->string());
    listing->set_city(text++->string());
    listing->set_state(text++->string());
    listing->set_postal_code(text++->string());
    listing->set_status(text++->string());
    listing->set_price_cents(numbers_[0]);
    listing->set_bedrooms(numbers_[1]);
    listing->set_bathrooms(numbers_[2]);
    listing->set_area_m2(numbers_[3]);
    listing->set_version(static_cast<uint64_t>(numbers_[4]));
    WriteTime(times_[0], listing->mutable_created_at());
    WriteTime(times_[1], listing->mutable_updated_at());
  }

  MYSQL *mysql_ = mysql_init(nullptr);
  MYSQL_STMT *get_ = nullptr;
  MYSQL_BIND columns_[sizeof(kColumns) - 1] = {};
  Text texts_[12];
  int64_t numbers_[5];
  MYSQL_TIME times_[2];
};

// One call: waits for a client, answers, makes room for the next.
class Call {
 public:
  Call(Service *service, grpc::ServerCompletionQueue *queue)
      : service_(service), queue_(queue), writer_(&context_) {
    service_->RequestGetListing(&context_, &request_, &writer_, queue_, queue_, this);
  }

  void Proceed(bool ok, Store *store) {
    if (!ok || is_answered_) {
      delete this;
      return;
    }
    new Call(service_, queue_);
    is_answered_ = true;
    Listing listing;
    const grpc::Status status = store->Read(request_.id(), &listing);
    if (status.ok()) {
      writer_.Finish(listing, status, this);
    } else {
      writer_.FinishWithError(status, this);
    }
  }

 private:
  Service *service_;
  grpc::ServerCompletionQueue *queue_;
  grpc::ServerContext context_;
  GetListingRequest request_;
  grpc::ServerAsyncResponseWriter<Listing> writer_;
  bool is_answered_ = false;
};

}  // namespace

int main() {
  std::vector<std::unique_ptr<Store>> stores;
  for (int i = 0; i < kConnections; i++) {
    stores.push_back(std::make_unique<Store>());
    if (!stores.back()->Open()) {
      std::cerr << "no MySQL: " << stores.back()->Error() << "\n";
      return 1;
    }
  }
  Service service;
  const Peer peer = Start<Call>(&service);
  std::vector<std::thread> threads;
  for (const auto &store : stores) {
    threads.emplace_back(Work<Call, Store *>, peer.queue.get(), store.get());
  }
  for (auto &thread : threads) {
    thread.join();
  }
  return 0;
}
