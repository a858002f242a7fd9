// SPDX-License-Identifier: 0BSD
#include "event/request_client.h"

#include <errno.h>

#include <utility>

#include "core/check.h"
#include "core/text.h"

namespace qv::event {

namespace {

constexpr std::int64_t kSweepUs = 250'000;

constexpr Error kTimedOut{Fault::retry, ETIMEDOUT, "no answer in time"};
constexpr Error kNoRoom{Fault::retry, EAGAIN, "too many requests wait"};
Error broken(int errnum) { return {Fault::retry, errnum, "connection"}; }
constexpr Error kNonsense{Fault::protocol, EPROTO, "no message of the protocol"};

}  // namespace

// Has at most one request under way.
class RequestClient::Connection final : public Stream::User {
 public:
  Connection(RequestClient& client, Fd fd, Stream::Connecting connecting)
      : client_(client),
        stream_(client.loop_, std::move(fd), client.stream_limits_),
        framing_(client.new_framing_()) {
    stream_.start(*this, connecting);
  }

  [[nodiscard]] bool is_free() const { return !question; }
  void ask(Question asked) {
    stream_.write(asked.request);
    question = std::move(asked);
  }
  [[nodiscard]] std::int64_t idle_since_us() const { return stream_.idle_since_us(); }

  std::size_t on_input(Stream& /*stream*/, std::string_view input) override {
    const std::optional<std::size_t> size =
        framing_(input, greeted_ ? Awaited::reply : Awaited::greeting);
    if (size == 0) return 0;
    if (!size || !accept(first_bytes(input, *size))) {
      client_.lost(*this, kNonsense);  // destroys this
      return 0;
    }
    return *size;
  }
  void on_end(Stream& stream, StreamEnd /*why*/) override {
    client_.lost(*this, broken(stream.errnum() != 0 ? stream.errnum() : ECONNRESET));
  }

  std::optional<Question> question;

 private:
  // False: unexpected.
  bool accept(std::string_view message) {
    if (!std::exchange(greeted_, true)) return true;
    if (!question) return false;
    const Question answered = std::move(*question);
    question.reset();
    return client_.answer(answered, message) == Sense::good;
  }

  RequestClient& client_;
  Stream stream_;
  Framing framing_;
  bool greeted_ = false;
};

RequestClient::RequestClient(Loop& loop, StreamAddress address, const RequestClientLimits& limits,
                             NewFraming new_framing)
    : loop_(loop),
      address_(std::move(address)),
      limits_(limits),
      stream_limits_{.max_input = limits.max_reply},
      new_framing_(std::move(new_framing)) {
  QV_CHECK(limits.connections > 0 && limits.queue > 0);
}

RequestClient::~RequestClient() = default;

std::size_t RequestClient::in_flight() const {
  std::size_t asked = waiting_.size() + refused_.size();
  for (const auto& connection : connections_) asked += connection->is_free() ? 0u : 1u;
  return asked;
}

void RequestClient::ask(std::string request, std::int64_t due_us, Callback callback) {
  const bool room = waiting_.size() < limits_.queue;
  (room ? waiting_ : refused_).push_back({std::move(request), std::move(callback), due_us, false});
  if (!sweep_) sweep_ = loop_.every(kSweepUs, [this] { sweep(); });
  schedule_pump();
}

void RequestClient::schedule_pump() {
  if (turn_) return;
  turn_ = loop_.after(0, [this] {
    turn_.reset();
    refuse_all(refused_, kNoRoom);
    pump();
  });
}

RequestClient::Sense RequestClient::answer(const Question& question,
                                           const Result<std::string_view>& reply) {
  if (!waiting_.empty()) schedule_pump();
  return question.callback(reply);
}

void RequestClient::pump() {
  while (!waiting_.empty()) {
    Connection* connection = free_connection();
    if (connection == nullptr) return;
    Question question = std::move(waiting_.front());
    waiting_.pop_front();
    connection->ask(std::move(question));
  }
}

RequestClient::Connection* RequestClient::free_connection() {
  for (const auto& connection : connections_) {
    if (connection->is_free()) return connection.get();
  }
  return connections_.size() < limits_.connections ? connect() : nullptr;
}

RequestClient::Connection* RequestClient::connect() {
  bool in_progress = false;
  Result<Fd> fd = start_connect(address_, in_progress);
  if (!fd.ok()) {
    // Existing connections go on serving; without any, waiting is pointless.
    if (connections_.empty()) refuse_all(waiting_, broken(fd.error().errnum));
    return nullptr;
  }
  const auto connecting = in_progress ? Stream::Connecting::yes : Stream::Connecting::no;
  connections_.push_back(std::make_unique<Connection>(*this, std::move(fd).value(), connecting));
  return connections_.back().get();
}

// A callback may add requests.
void RequestClient::refuse_all(std::deque<Question>& questions, const Error& error) {
  for (const Question& question : std::exchange(questions, {})) answer(question, error);
}

void RequestClient::lost(Connection& connection, const Error& error) {
  std::optional<Question> question = std::move(connection.question);
  connections_.remove_if(
      [&connection](const std::unique_ptr<Connection>& c) { return c.get() == &connection; });
  if (!question) return;
  // A server that restarts closes its connections: that is no answer.
  if (!question->tried && error.fault == Fault::retry) {
    question->tried = true;
    waiting_.push_front(std::move(*question));
    schedule_pump();
    return;
  }
  answer(*question, error);
}

void RequestClient::sweep() {
  const std::int64_t now = loop_.now_us();
  std::deque<Question> overdue;
  for (auto at = connections_.begin(); at != connections_.end();) {
    Connection& connection = **at;
    const bool late = connection.question && connection.question->due_us <= now;
    const bool idle = connection.is_free() && now - connection.idle_since_us() >= limits_.idle_us;
    if (late) overdue.push_back(std::move(*connection.question));
    at = late || idle ? connections_.erase(at) : std::next(at);
  }
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    const bool late = at->due_us <= now;
    if (late) overdue.push_back(std::move(*at));
    at = late ? waiting_.erase(at) : std::next(at);
  }
  refuse_all(overdue, kTimedOut);
  if (!waiting_.empty()) schedule_pump();
  if (connections_.empty() && in_flight() == 0) sweep_.reset();
}

}  // namespace qv::event
