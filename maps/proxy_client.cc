// SPDX-License-Identifier: 0BSD
#include "maps/proxy_client.h"

#include <errno.h>

#include <optional>
#include <utility>

#include "core/text.h"
#include "wire/proxymap.h"

namespace qv {

namespace {

constexpr std::int64_t kSweepUs = 250'000;

Error timed_out() { return {Fault::retry, ETIMEDOUT, "no answer of the table proxy in time"}; }
Error broken(int errnum) { return {Fault::retry, errnum, "connection to the table proxy"}; }
Error nonsense() { return {Fault::protocol, EPROTO, "reply of the table proxy"}; }

Result<Answer> answer_of(proxymap::Status status) {
  switch (status) {
    case proxymap::Status::ok:
      return Answer::found;
    case proxymap::Status::no_key:
      return Answer::absent;
    case proxymap::Status::retry:
      return Error{Fault::retry, 0, "table behind the proxy"};
    case proxymap::Status::config:
      return Error{Fault::config, 0, "table behind the proxy"};
    case proxymap::Status::deny:
      return Error{Fault::config, 0, "not approved by the table proxy"};
    case proxymap::Status::bad:
      return nonsense();
  }
  return nonsense();
}

}  // namespace

// One connection, with at most one question under way.
class ProxyClient::Connection final : public Stream::User {
 public:
  Connection(ProxyClient& client, Fd fd, Stream::Connecting connecting)
      : client_(client), stream_(client.loop_, std::move(fd), client.stream_limits_) {
    stream_.start(*this, connecting);
  }

  [[nodiscard]] bool is_free() const { return !question; }
  void ask(Question asked) {
    stream_.write(asked.request);
    question = std::move(asked);
  }
  [[nodiscard]] std::int64_t idle_since_us() const { return stream_.idle_since_us(); }

  std::size_t on_input(Stream& /*stream*/, std::string_view input) override {
    const Frame frame = decoder_.scan(input);
    if (frame == Frame::partial) return 0;
    if (frame == Frame::malformed || !take(input)) {
      client_.lost(*this, nonsense());  // this connection is gone now
      return 0;
    }
    return consumed_;
  }
  void on_end(Stream& stream, StreamEnd /*why*/) override {
    client_.lost(*this, broken(stream.errnum() != 0 ? stream.errnum() : ECONNRESET));
  }

  std::optional<Question> question;

 private:
  // False: this is not what was waited for.
  bool take(std::string_view input) {
    consumed_ = decoder_.size();
    if (!greeted_) {
      greeted_ = proxymap::is_greeting(decoder_, input);
      decoder_.reset();
      return greeted_;
    }
    proxymap::Reply reply;
    const bool good =
        question && proxymap::parse_reply(decoder_, input, proxymap::Operation::lookup,
                                          proxymap::Dialect::plain, reply);
    decoder_.reset();
    if (!good) return false;
    Question answered = std::move(*question);
    question.reset();
    client_.answer(std::move(answered), answer_of(reply.status), reply.value);
    return true;
  }

  ProxyClient& client_;
  Stream stream_;
  AttributeDecoder decoder_;
  std::size_t consumed_ = 0;
  bool greeted_ = false;
};

ProxyClient::ProxyClient(Loop& loop, StreamAddress address, const ProxyClientLimits& limits)
    : loop_(loop),
      address_(std::move(address)),
      limits_(limits),
      stream_limits_{.max_input = 2u << 20},
      sweep_(loop.every(kSweepUs, [this] { look_around(); })) {}

ProxyClient::~ProxyClient() = default;

std::size_t ProxyClient::in_flight() const {
  std::size_t asked = waiting_.size();
  for (const auto& connection : connections_) asked += connection->is_free() ? 0u : 1u;
  return asked;
}

void ProxyClient::lookup(std::string_view table, const MapOptions& options, std::string_view key,
                         Callback callback) {
  Question question;
  question.callback = std::move(callback);
  question.due_us = loop_.now_us() + limits_.time_us;
  proxymap::Request request;
  request.operation = proxymap::Operation::lookup;
  request.table = proxymap::strip_proxy(table);
  request.key = key;
  if (options.no_substitution) request.flags |= proxymap::flag::kNoSubstitution;
  if (options.fold_keys) request.flags |= proxymap::flag::kFoldFixed;
  proxymap::append_request(question.request, request);
  // What cannot be asked is answered when the loop turns, as everything else.
  if (find_byte(key, '\0') != key.size()) question.request.clear();
  if (waiting_.size() >= limits_.queue) question.due_us = 0;
  waiting_.push_back(std::move(question));
  schedule_pump();
}

void ProxyClient::schedule_pump() {
  if (!turn_) {
    turn_ = loop_.after(0, [this] {
      turn_.reset();
      pump();
    });
  }
}

void ProxyClient::answer(Question question, const Result<Answer>& answer, std::string_view value) {
  if (!waiting_.empty()) schedule_pump();
  question.callback(answer, value);
}

// Gives what waits to connections that are free.
void ProxyClient::pump() {
  while (!waiting_.empty()) {
    Question& first = waiting_.front();
    if (first.request.empty() || first.due_us == 0) {
      Question question = std::move(first);
      waiting_.pop_front();
      // No table behind the protocol can hold a key with a NUL in it.
      const Result<Answer> result = question.due_us != 0
                                        ? Result<Answer>(Answer::absent)
                                        : Error{Fault::retry, EAGAIN, "too many look-ups wait"};
      answer(std::move(question), result, {});
      continue;
    }
    Connection* connection = free_connection();
    if (connection == nullptr) return;
    Question question = std::move(waiting_.front());
    waiting_.pop_front();
    connection->ask(std::move(question));
  }
}

ProxyClient::Connection* ProxyClient::free_connection() {
  for (const auto& connection : connections_) {
    if (connection->is_free()) return connection.get();
  }
  return connections_.size() < limits_.connections ? connect() : nullptr;
}

ProxyClient::Connection* ProxyClient::connect() {
  bool in_progress = false;
  Result<Fd> fd = start_connect(address_, in_progress);
  if (!fd.ok()) {
    // Those that are there go on serving; without any, waiting would be for nothing.
    if (connections_.empty()) fail_waiting({Fault::retry, fd.error().errnum, "table proxy"});
    return nullptr;
  }
  const auto connecting = in_progress ? Stream::Connecting::yes : Stream::Connecting::no;
  connections_.push_back(std::make_unique<Connection>(*this, std::move(fd).value(), connecting));
  return connections_.back().get();
}

void ProxyClient::fail_waiting(const Error& error) {
  std::deque<Question> failed;
  failed.swap(waiting_);
  for (Question& question : failed) answer(std::move(question), error, {});
}

void ProxyClient::forget(Connection& connection) {
  connections_.remove_if(
      [&connection](const std::unique_ptr<Connection>& c) { return c.get() == &connection; });
}

void ProxyClient::lost(Connection& connection, const Error& error) {
  std::optional<Question> question = std::move(connection.question);
  forget(connection);
  if (!question) return;
  // A proxy that was started anew has closed its old connections: that is no answer.
  if (!question->tried && error.fault == Fault::retry) {
    question->tried = true;
    waiting_.push_front(std::move(*question));
    schedule_pump();
    return;
  }
  answer(std::move(*question), error, {});
}

void ProxyClient::look_around() {
  const std::int64_t now = loop_.now_us();
  std::vector<Question> overdue;
  for (auto at = connections_.begin(); at != connections_.end();) {
    Connection& connection = **at;
    const bool late = connection.question && connection.question->due_us <= now;
    const bool idle = connection.is_free() && now - connection.idle_since_us() >= limits_.idle_us;
    if (late) overdue.push_back(std::move(*connection.question));
    // Its answer could still come, and must not be taken for that to another question.
    at = late || idle ? connections_.erase(at) : std::next(at);
  }
  while (!waiting_.empty() && waiting_.front().due_us <= now) {
    overdue.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  for (Question& question : overdue) answer(std::move(question), timed_out(), {});
  if (!waiting_.empty()) schedule_pump();
}

}  // namespace qv
