// SPDX-License-Identifier: 0BSD
#include "probe/exchangers.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <utility>

#include "core/fd.h"
#include "event/libevent_loop.h"
#include "event/listen.h"
#include "event/resolver.h"
#include "event/stream.h"

namespace qv::probe {

namespace {

constexpr std::int64_t kTry_us = 3000000;  // one server's time for one question
constexpr std::size_t kTries = 2;          // rounds over all servers
constexpr std::size_t kMaxServers = 3;     // as resolv.conf(5)

std::uint16_t random_id() {
  std::uint16_t id = 0;
  if (getrandom(&id, sizeof id, GRND_NONBLOCK) != sizeof id) {
    id = static_cast<std::uint16_t>(random());
  }
  return id;
}

// One question for MX records.  A new socket and id per try: a forger must guess both.
class MxLookup final : public event::Loop::Handle, private event::Stream::User {
 public:
  MxLookup(event::Loop& loop, const std::vector<event::StreamAddress>& servers, std::string domain,
           ExchangersFound done)
      : loop_(loop), servers_(servers), domain_(std::move(domain)), done_(std::move(done)) {
    timer_ = loop_.after(0, [this] { next_try(); });
  }

 private:
  void next_try() {
    watch_.reset();
    stream_.reset();
    reply_.clear();
    socket_.reset();
    if (tries_ == kTries * servers_.size()) return finish(Error{Fault::retry, 0, "dns"});
    server_ = tries_++ % servers_.size();
    query_ = wire::dns::encode_mx_query(random_id(), domain_);
    // An invalid name has no records.
    if (query_.empty()) return finish(Exchangers{});
    timer_ = loop_.after(kTry_us, [this] { next_try(); });
    const event::StreamAddress& server = servers_[server_];
    socket_.reset(::socket(server.storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket_.valid() || ::connect(socket_.get(), server.get(), server.size) != 0 ||
        ::send(socket_.get(), query_.data(), query_.size(), 0) < 0) {
      timer_ = loop_.after(0, [this] { next_try(); });
      return;
    }
    watch_ = loop_.when_readable(socket_.get(), [this] { on_datagram(); });
  }

  void on_datagram() {
    std::array<char, wire::dns::kMaxUdpReply> buffer{};
    const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    // Such as ECONNREFUSED: nobody listens there.
    if (got < 0) return errno == EAGAIN || errno == EINTR ? void() : next_try();
    judge({buffer.data(), static_cast<std::size_t>(got)});
  }

  void judge(std::string_view reply) {
    Exchangers records;
    switch (wire::dns::parse_mx_reply(reply, query_, records)) {
      case wire::dns::Reply::answer:
        return finish(std::move(records));
      case wire::dns::Reply::truncated:
        return stream_ ? next_try() : ask_by_tcp();
      case wire::dns::Reply::failure:
        return next_try();
      case wire::dns::Reply::foreign:
        // A datagram of somebody else; the server's may still come.
        return stream_ ? next_try() : void();
    }
  }

  void ask_by_tcp() {
    watch_.reset();
    bool in_progress = false;
    Result<Fd> connecting = event::start_connect(servers_[server_], in_progress);
    if (!connecting.ok()) return next_try();
    stream_ = std::make_unique<event::Stream>(loop_, std::move(connecting).value(), kLimits);
    stream_->start(*this, event::Stream::Connecting::yes);
    const char size[] = {static_cast<char>(query_.size() >> 8), static_cast<char>(query_.size())};
    stream_->write(std::string(size, sizeof size) + query_);
  }

  std::size_t on_input(event::Stream& /*stream*/, std::string_view input) override {
    if (input.size() < 2) return 0;
    const std::size_t length =
        static_cast<unsigned char>(input[0]) * 256u + static_cast<unsigned char>(input[1]);
    if (input.size() - 2 < length) return 0;
    reply_ = input.substr(2, length);
    // When the loop turns: judge() may destroy the stream.
    timer_ = loop_.after(0, [this] { judge(reply_); });
    return input.size();
  }
  void on_end(event::Stream& /*stream*/, event::StreamEnd /*why*/) override {
    if (reply_.empty()) timer_ = loop_.after(0, [this] { next_try(); });
  }

  void finish(Result<Exchangers> found) {
    timer_.reset();
    watch_.reset();
    stream_.reset();
    // `done` may destroy this.
    const ExchangersFound done = std::move(done_);
    done(std::move(found));
  }

  static constexpr event::StreamLimits kLimits{};

  event::Loop& loop_;
  const std::vector<event::StreamAddress> servers_;
  std::string domain_;
  ExchangersFound done_;
  std::size_t tries_ = 0;
  std::size_t server_ = 0;
  std::string query_;
  Fd socket_;
  event::Loop::Owned watch_;
  event::Loop::Owned timer_;
  std::unique_ptr<event::Stream> stream_;
  std::string reply_;  // of stream_, to be judged when the loop turns
};

}  // namespace

ExchangerLookup make_exchanger_lookup(event::LibeventLoop& loop, const std::string& resolv_conf) {
  std::vector<event::StreamAddress> servers = event::name_servers(loop, resolv_conf);
  if (servers.size() > kMaxServers) servers.resize(kMaxServers);
  return [&loop, servers](const std::string& domain, ExchangersFound done) -> event::Loop::Owned {
    return std::make_unique<MxLookup>(loop, servers, domain, std::move(done));
  };
}

}  // namespace qv::probe
