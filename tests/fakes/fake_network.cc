// SPDX-License-Identifier: 0BSD
#include "tests/fakes/fake_network.h"

#include <algorithm>

#include "core/text.h"

namespace qv {

namespace {

class FakeConnection final : public event::Connection {
 public:
  FakeConnection(event::Loop& loop, FakeHop* hop, User& user)
      : loop_(loop), hop_(hop), user_(user) {
    if (hop_ == nullptr || hop_->connect == FakeHop::Connect::refuse) {
      later([this] { user_.on_closed(User::During::connect, "connection refused"); });
      return;
    }
    if (hop_->connect == FakeHop::Connect::hang) return;
    ++hop_->connections;
    ++hop_->open;
    counted_ = true;
    later([this] {
      say(hop_->greeting);
      user_.on_connected();
    });
  }
  ~FakeConnection() override {
    if (counted_) --hop_->open;
  }

  void send(std::string_view bytes) override {
    while (!bytes.empty()) {
      const std::string line(take_until(bytes, '\r'));
      bytes = after_bytes(bytes, 1);
      hop_->commands.push_back(line);
      say(reply_to(line));
    }
  }

  void start_tls(const std::string& /*host*/) override {
    later([this] {
      if (hop_->handshake == FakeHop::Handshake::succeed) return user_.on_secured();
      user_.on_closed(User::During::handshake, "handshake failed");
    });
  }

 private:
  std::string reply_to(const std::string& line) const {
    for (const auto& [beginning, reply] : hop_->replies) {
      if (equal_ignoring_case(first_bytes(line, beginning.size()), beginning)) return reply;
    }
    return starts_with(line, "QUIT") ? "221 bye" : "250 ok";
  }

  void say(const std::string& reply) {
    if (reply == "(silence)") return;
    if (reply == "(close)") {
      return later([this] { user_.on_closed(User::During::talk, "connection closed"); });
    }
    later([this, reply] { user_.on_bytes(reply + "\r\n"); });
  }

  // In order, one at a time: any of them may destroy this.
  void later(std::function<void()> what) {
    queue_.push_back(std::move(what));
    if (queue_.size() == 1) schedule();
  }
  void schedule() {
    timer_ = loop_.after(hop_ == nullptr ? 0 : hop_->delay_us, [this] {
      const std::function<void()> what = std::move(queue_.front());
      queue_.pop_front();
      if (!queue_.empty()) {
        schedule();
      } else {
        timer_.reset();
      }
      what();
    });
  }

  event::Loop& loop_;
  FakeHop* hop_;
  User& user_;
  bool counted_ = false;
  std::deque<std::function<void()>> queue_;
  event::Loop::Owned timer_;
};

}  // namespace

event::Connector FakeNetwork::connector() {
  return [this](const event::StreamAddress& address, event::Connection::User& user) {
    const auto hop = hops.find(address.text);
    return std::make_unique<FakeConnection>(loop_, hop == hops.end() ? nullptr : &hop->second,
                                            user);
  };
}

event::Resolver FakeNetwork::resolver() {
  return [this](const auto& host, auto port, const auto& done) {
    return find_addresses(host, port, done);
  };
}

event::Loop::Owned FakeNetwork::find_exchangers(const std::string& domain,
                                                const probe::ExchangersFound& done) {
  ++lookups;
  const bool fails = std::find(broken.begin(), broken.end(), domain) != broken.end();
  const auto known = exchangers.find(domain);
  const probe::Exchangers found = known == exchangers.end() ? probe::Exchangers{} : known->second;
  return loop_.after(0, [=] {
    done(fails ? Result<probe::Exchangers>(Error{Fault::retry, 0, "dns"})
               : Result<probe::Exchangers>(found));
  });
}

event::Loop::Owned FakeNetwork::find_addresses(const std::string& host, std::uint16_t port,
                                               const event::AddressesFound& done) {
  ++lookups;
  const bool fails = std::find(broken.begin(), broken.end(), host) != broken.end();
  event::Addresses found;
  if (const auto known = addresses.find(host); known != addresses.end()) {
    for (const std::string& address : known->second) {
      found.push_back(
          event::parse_stream_address("inet:" + address + ":" + std::to_string(port)).value());
    }
  }
  return loop_.after(0, [=] {
    done(fails ? Result<event::Addresses>(Error{Fault::retry, 0, "dns"})
               : Result<event::Addresses>(found));
  });
}

}  // namespace qv
