// SPDX-License-Identifier: 0BSD
// bench/udp_load.cc - a closed loop of verification queries against one UDP server.
//
//   udp_load PORT OUTSTANDING SECONDS DOMAIN KIND [COUNT]
//
// Keeps OUTSTANDING queries under way for SECONDS: each answer is followed by a new query.  Sends
// and receives in batches and never sleeps, so that the server is the bottleneck and pays for no
// wake-up of its client.  KIND says which local parts:
//   same        one of eight that exist, over and over
//   users       user0 to user<COUNT-1>, at random
//   words       letters at random, never the same twice
//   dashes      the same with four '-' in them
// Prints one line: queries per second, p50 and p99 in microseconds, and how many were lost.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"

namespace {

constexpr std::size_t kBuffer = 512;
constexpr std::int64_t kLostAfterUs = 1000000;

struct Slot {
  std::array<char, kBuffer> query;
  std::size_t size = 0;
  std::int64_t sent_us = 0;
};

class Random {
 public:
  std::uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }

 private:
  std::uint64_t state_ = 88172645463325252u;
};

std::string local_part(std::string_view kind, std::uint64_t count, Random& random) {
  if (kind == "same") return "user" + std::to_string(random.next() % 8);
  if (kind == "users") return "user" + std::to_string(random.next() % count);
  std::string word(16, 'a');
  std::uint64_t bits = random.next();
  for (char& c : word) {
    c = static_cast<char>('a' + (bits & 15u));
    bits >>= 4;
  }
  if (kind == "dashes") {
    for (std::size_t at : {3u, 7u, 10u, 13u}) word[at] = '-';
  }
  return word;
}

class Load {
 public:
  Load(int fd, std::size_t outstanding, std::string domain, std::string kind, std::uint64_t count)
      : fd_(fd),
        slots_(outstanding),
        domain_(std::move(domain)),
        kind_(std::move(kind)),
        count_(count) {}

  void run(std::int64_t seconds) {
    begin_us_ = heard_us_ = qv::monotonic_us();
    const std::int64_t end_us = begin_us_ + seconds * 1000000;
    for (std::size_t i = 0; i < slots_.size(); ++i) ask(i);
    send_asked();
    while (true) {
      const std::int64_t now = qv::monotonic_us();
      if (now >= end_us) break;
      receive(now);
      send_asked();
    }
    elapsed_us_ = qv::monotonic_us() - begin_us_;
  }

  void report() {
    std::sort(latencies_.begin(), latencies_.end());
    const auto at = [this](double share) {
      if (latencies_.empty()) return std::int64_t{0};
      const auto index =
          static_cast<std::size_t>(share * static_cast<double>(latencies_.size() - 1));
      return latencies_[index];
    };
    printf("%.0f %lld %lld %zu %zu\n",
           static_cast<double>(latencies_.size()) * 1e6 / static_cast<double>(elapsed_us_),
           static_cast<long long>(at(0.5)), static_cast<long long>(at(0.99)), lost_,
           latencies_.size());
  }

 private:
  // A new query in slot i; the slot's number is the end of the id, so that the answer names it.
  void ask(std::size_t i) {
    Slot& slot = slots_[i];
    const std::string address = local_part(kind_, count_, random_) + "@" + domain_;
    slot.size = static_cast<std::size_t>(
        snprintf(slot.query.data(), slot.query.size(), "%s%cv=2%cid=%016llx%08zx%c",
                 address.c_str(), 0, 0, static_cast<unsigned long long>(random_.next()), i, 0));
    asked_.push_back(i);
  }

  void send_asked() {
    std::array<mmsghdr, 64> headers{};
    std::array<iovec, 64> vectors{};
    const std::int64_t now = qv::monotonic_us();
    for (std::size_t next = 0; next < asked_.size();) {
      unsigned n = 0;
      for (; n < headers.size() && next + n < asked_.size(); ++n) {
        Slot& slot = slots_[asked_[next + n]];
        slot.sent_us = now;
        vectors[n] = {slot.query.data(), slot.size};
        headers[n].msg_hdr.msg_iov = &vectors[n];
        headers[n].msg_hdr.msg_iovlen = 1;
      }
      const int sent = sendmmsg(fd_, headers.data(), n, 0);
      next += sent > 0 ? static_cast<std::size_t>(sent) : n;
    }
    asked_.clear();
  }

  void receive(std::int64_t now) {
    std::array<mmsghdr, 64> headers{};
    std::array<iovec, 64> vectors{};
    for (std::size_t i = 0; i < headers.size(); ++i) {
      vectors[i] = {in_[i].data(), kBuffer};
      headers[i].msg_hdr.msg_iov = &vectors[i];
      headers[i].msg_hdr.msg_iovlen = 1;
    }
    int got = recvmmsg(fd_, headers.data(), headers.size(), MSG_DONTWAIT, nullptr);
    if (got <= 0) {
      if (now - heard_us_ > kLostAfterUs) resend_lost(now);
      return;
    }
    heard_us_ = now;
    now = qv::monotonic_us();
    for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
      take({in_[i].data(), headers[i].msg_len}, now);
    }
  }

  void take(std::string_view answer, std::int64_t now) {
    constexpr std::string_view kId{"\0id=", 4};
    const std::size_t at = answer.find(kId);
    if (at == std::string_view::npos || answer.size() < at + 28) return;
    const std::string number(answer.substr(at + 20, 8));
    const std::size_t i = strtoul(number.c_str(), nullptr, 16);
    if (i >= slots_.size()) return;
    latencies_.push_back(now - slots_[i].sent_us);
    ask(i);
  }

  void resend_lost(std::int64_t now) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (now - slots_[i].sent_us < kLostAfterUs) continue;
      ++lost_;
      ask(i);
    }
  }

  int fd_;
  std::vector<Slot> slots_;
  std::string domain_;
  std::string kind_;
  std::uint64_t count_;
  Random random_;
  std::vector<std::size_t> asked_;
  std::vector<std::int64_t> latencies_;
  std::array<std::array<char, kBuffer>, 64> in_;
  std::size_t lost_ = 0;
  std::int64_t heard_us_ = 0;
  std::int64_t begin_us_ = 0;
  std::int64_t elapsed_us_ = 1;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) return 100;
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in server{};
  server.sin_family = AF_INET;
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  server.sin_port = htons(static_cast<in_port_t>(strtoul(argv[1], nullptr, 10)));
  if (connect(fd, reinterpret_cast<sockaddr*>(&server), sizeof server) != 0) return 111;
  const std::uint64_t count = argc > 6 ? strtoull(argv[6], nullptr, 10) : 1;
  Load load(fd, strtoul(argv[2], nullptr, 10), argv[4], argv[5], count);
  load.run(strtoll(argv[3], nullptr, 10));
  load.report();
  return 0;
}
