// SPDX-License-Identifier: 0BSD
// What real Postfix clients asked is answered as the real servers answered it, to the byte.
#include "tests/fakes/golden.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "proxymap/session.h"
#include "tests/proxymap/fixture.h"

namespace qv::proxymap {
namespace {

class GoldenTest : public ProxyTest, public testing::WithParamInterface<std::string> {
 protected:
  GoldenTest() {
    approve(
        "proxy:cdb:/gold/t/box proxy:regexp:/gold/t/re proxy:inline:passwd "
        "proxy:lmdb:/gold/data/vc");
    data["cdb:/gold/t/box"].entries = {{"a@v.example", "a/"}, {"b+x@v.example", "b"}};
    data["regexp:/gold/t/re"].entries = {{"r77@relay.example", "ok"}};
    data["regexp:/gold/t/re"].pattern = true;
    data["inline:passwd"].entries = {{"root", "root:x:0:0:root:/root:/bin/bash"}};
    data["lmdb:/gold/data/vc"].ends_with_nul = true;
    settings.writes = GetParam().find("proxywrite") != std::string::npos;
    start();
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    client = Fd(ends[1]);
    number = ends[0];
    stream = std::make_unique<event::Stream>(loop, Fd(ends[0]), limits);
    session = std::make_unique<Session>(*service, *stream, wire::AttributeLimits{});
  }

  // What was in the table when the exchange was recorded is not all known: entries that came in by
  // exchanges that were not kept are put there before they are asked for.
  void prepare(const GoldenExchange& exchange) {
    const GoldenAttributes& request = exchange.request.attributes;
    const GoldenAttributes& reply = exchange.reply.attributes;
    FakeData& vc = data["lmdb:/gold/data/vc"];
    if (request[0].second == "lookup" && request[1].second == "lmdb:/gold/data/vc") {
      const std::string key = request.back().second + std::string(1, '\0');
      if (reply[0].second == "0") {
        vc.entries[key] = reply.back().second;
      } else {
        vc.entries.erase(key);
      }
    }
    if (request[0].second == "delete") vc.entries[request.back().second + std::string(1, '\0')];
  }

  // A walk shows all that was there: from its first request on, what it will find.
  void prepare_walk(const std::vector<GoldenExchange>& all, std::size_t at) {
    const auto is_walk = [&all](std::size_t i, const char* function) {
      const GoldenAttributes& request = all[i].request.attributes;
      return request[0].second == "sequence" && request.back().second == function;
    };
    if (!is_walk(at, "0")) return;
    std::map<std::string, std::string>& entries = data["lmdb:/gold/data/vc"].entries;
    entries.clear();
    do {
      const GoldenAttributes& reply = all[at].reply.attributes;
      if (reply[0].second != "0") break;
      entries[reply[reply.size() - 2].second + std::string(1, '\0')] = reply.back().second;
    } while (++at < all.size() && is_walk(at, "1"));
  }

  std::string exchange(std::string bytes) {
    EXPECT_EQ(send(client.get(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
    loop.make_readable(number);
    return received();
  }
  std::string received() {
    loop.run();
    std::string got(65536, '\0');
    const ssize_t n = recv(client.get(), got.data(), got.size(), 0);
    got.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return got;
  }

  class User final : public event::Stream::User {
   public:
    explicit User(Session& session) : session_(session) {}
    std::size_t on_input(event::Stream& s, std::string_view input) override {
      return session_.on_input(s, input);
    }
    void on_end(event::Stream&, event::StreamEnd) override { ended = true; }
    bool ended = false;

   private:
    Session& session_;
  };

  event::StreamLimits limits;
  Fd client;
  int number = -1;
  std::unique_ptr<event::Stream> stream;
  std::unique_ptr<Session> session;
};

// The type unix may wait for a directory service, and goes to a worker: here a table in memory with
// the same flags takes its place.
std::string replace_unix(std::string bytes) {
  const std::string from = "unix:passwd.byname";
  const std::size_t at = bytes.find(from);
  if (at != std::string::npos) bytes.replace(at, from.size(), "inline:passwd");
  return bytes;
}

TEST_P(GoldenTest, IsAnsweredToTheByte) {
  User user(*session);
  stream->start(user);
  int requests = 0;
  const std::vector<GoldenExchange> all = read_golden(GetParam());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const GoldenExchange& golden = all[i];
    if (golden.request.bytes.empty()) {
      EXPECT_EQ(received(), golden.reply.bytes);
      continue;
    }
    prepare(golden);
    prepare_walk(all, i);
    EXPECT_EQ(exchange(replace_unix(golden.request.bytes)), golden.reply.bytes)
        << golden.request.bytes;
    ++requests;
  }
  EXPECT_GT(requests, 10);
  EXPECT_FALSE(user.ended);
}

std::vector<std::string> proxymap_files() {
  std::vector<std::string> out;
  for (const std::string& name : golden_names()) {
    if (name.find("verify") == std::string::npos) out.push_back(name);
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(AllFiles, GoldenTest, testing::ValuesIn(proxymap_files()),
                         [](const testing::TestParamInfo<std::string>& row) {
                           std::string name = row.param;
                           for (char& c : name) c = isalnum(c) ? c : '_';
                           return name;
                         });

}  // namespace
}  // namespace qv::proxymap
