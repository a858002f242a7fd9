// SPDX-License-Identifier: 0BSD
#include "tests/fakes/responder.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "core/check.h"
#include "tests/fakes/local_endpoint.h"
#include "udpbits.h"

namespace qv::fakes {

namespace {

std::string text_of(const Endpoint& endpoint) {
  char text[kEndpointText];
  return std::string(text, format_endpoint(endpoint, text, sizeof text));
}

Endpoint parsed(const std::string& where) { return parse_endpoint(where, kVerifyPort).value(); }

Question question_in(std::string_view bytes) {
  wire::datagram::Query query;
  static_cast<void>(wire::datagram::parse_query(bytes, false, query));
  return Question{std::string(query.address), std::string(query.id),     std::string(query.client),
                  std::string(query.helo),    std::string(query.sender), 0};
}

}  // namespace

Responder::Responder(Script script, const std::string& where)
    : script_(std::move(script)), where_(where) {
  start();
}

Responder::~Responder() { stop(); }

void Responder::start() {
  const Endpoint endpoint = parsed(where_);
  socket_ = bind_udp(endpoint);
  if (!is_unix(endpoint)) where_ = text_of(local_endpoint(socket_.get()));
  int wake[2];
  QV_CHECK(pipe(wake) == 0);
  wake_read_.reset(wake[0]);
  wake_write_.reset(wake[1]);
  thread_ = std::thread([this] { serve(); });
}

void Responder::stop() {
  if (!thread_.joinable()) return;
  wake_write_.reset();
  thread_.join();
  socket_.reset();
  if (where_.rfind("unix:", 0) == 0) unlink(where_.c_str() + 5);
}

std::vector<Question> Responder::heard() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return heard_;
}

void Responder::serve() {
  for (;;) {
    pollfd set[] = {{socket_.get(), POLLIN, 0}, {wake_read_.get(), POLLIN, 0}};
    poll(set, 2, -1);
    if (set[1].revents != 0) return;
    std::array<char, 2048> buffer;
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    auto* to = reinterpret_cast<sockaddr*>(&peer);
    const ssize_t n = recvfrom(socket_.get(), buffer.data(), buffer.size(), 0, to, &length);
    if (n < 0) continue;
    Question question = question_in({buffer.data(), static_cast<std::size_t>(n)});
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      question.number = static_cast<int>(heard_.size());
      heard_.push_back(question);
    }
    for (const std::string& datagram : script_(question)) {
      sendto(socket_.get(), datagram.data(), datagram.size(), 0, to, length);
    }
  }
}

std::string reply_to(const Question& question, wire::datagram::Result result,
                     const std::string& why, const std::string& user, const std::string& text) {
  std::array<char, wire::datagram::kMaxDatagram> bytes;
  wire::datagram::Reply reply;
  reply.result = result;
  reply.user = user;
  reply.id = question.id;
  reply.why = why;
  reply.text = text;
  return std::string(bytes.data(), wire::datagram::encode_reply(reply, bytes));
}

Script always(wire::datagram::Result result, const std::string& why, const std::string& user,
              const std::string& text) {
  return [=](const Question& question) -> Datagrams {
    return {reply_to(question, result, why, user, text)};
  };
}

Script silence() {
  return [](const Question&) { return Datagrams{}; };
}

std::string nobody() {
  const Fd socket = bind_udp(parsed("127.0.0.1:0"));
  return text_of(local_endpoint(socket.get()));
}

}  // namespace qv::fakes
