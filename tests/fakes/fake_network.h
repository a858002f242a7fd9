// SPDX-License-Identifier: 0BSD
// tests/fakes/fake_network.h - next hops and a DNS that a test scripts; goes with FakeLoop.
#ifndef QV_TESTS_FAKES_FAKE_NETWORK_H_
#define QV_TESTS_FAKES_FAKE_NETWORK_H_

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "event/connect.h"
#include "event/loop.h"
#include "event/resolver.h"
#include "probe/exchangers.h"

namespace qv {

// What a next hop does.  It greets, and answers each command line: with the first rule whose
// beginning fits (any case), else "250 ok"; RCPT, MAIL and the like are matched by their whole
// line.
struct FakeHop {
  enum class Connect : std::uint8_t { accept, refuse, hang } connect = Connect::accept;
  enum class Handshake : std::uint8_t { succeed, fail } handshake = Handshake::succeed;
  std::string greeting = "220 fake";
  // Beginning of the command -> reply; "(close)" closes, "(silence)" says nothing.
  std::vector<std::pair<std::string, std::string>> replies;
  std::int64_t delay_us = 0;  // before each reply

  // What happened.
  int connections = 0;
  int open = 0;
  std::vector<std::string> commands;
};

class FakeNetwork {
 public:
  explicit FakeNetwork(event::Loop& loop) : loop_(loop) {}

  // By what StreamAddress::text is: "inet:192.0.2.1:25".  One that is not there refuses.
  std::map<std::string, FakeHop> hops;
  // Unknown names have no records; those in `broken` cannot be told.
  std::map<std::string, probe::Exchangers> exchangers;
  std::map<std::string, std::vector<std::string>> addresses;
  std::vector<std::string> broken;
  int lookups = 0;

  [[nodiscard]] event::Connector connector();
  [[nodiscard]] event::Resolver resolver();
  [[nodiscard]] event::Loop::Owned find_exchangers(const std::string& domain,
                                                   const probe::ExchangersFound& done);
  [[nodiscard]] probe::ExchangerLookup exchanger_lookup() {
    return [this](const auto& domain, const auto& done) { return find_exchangers(domain, done); };
  }

 private:
  event::Loop::Owned find_addresses(const std::string& host, std::uint16_t port,
                                    const event::AddressesFound& done);

  event::Loop& loop_;
};

}  // namespace qv

#endif  // QV_TESTS_FAKES_FAKE_NETWORK_H_
