// SPDX-License-Identifier: 0BSD
#include "tests/maps/child_server.h"
#include "tests/maps/contract.h"
#include "wire/tcp_table.h"

namespace qv::maps {
namespace {

bool serve(std::string& in, std::string& out) {
  std::string key;
  std::size_t size = 0;
  while (wire::tcp_table::parse_request(in, key, size) == wire::Frame::whole) {
    using wire::tcp_table::Status;
    if (key == "user@example.org") {
      wire::tcp_table::append_reply(out, Status::found, "box/");
    } else if (key == "nul") {
      wire::tcp_table::append_reply(out, Status::found, std::string_view("a\0b", 3));
    } else if (key == "TEMP") {
      wire::tcp_table::append_reply(out, Status::retry, "later");
    } else if (key == "GARBAGE") {
      out += "299 what\n";
    } else if (key == "CLOSE") {
      return false;
    } else if (key == "TWO") {
      wire::tcp_table::append_reply(out, Status::found, "one");
      wire::tcp_table::append_reply(out, Status::found, "two");
    } else {
      wire::tcp_table::append_reply(out, Status::not_found, "not here");
    }
    in.erase(0, size);
  }
  return true;
}

class Table final : public ContractTable {
 public:
  Table() : server_("", serve) {
    nul_key = "nul";
    nul_value = std::string("a\0b", 3);
    EXPECT_TRUE(server_.start());
    // Each of these keys is answered in a way of its own.
    for (const char* how : {"TEMP", "GARBAGE", "CLOSE", "TWO"}) {
      damages.push_back({how, [this, how] { known_key = how; }});
    }
    kill = [this] { server_.kill(); };
    revive = [this] { return server_.start(); };
  }
  std::string name() const override { return "tcp:127.0.0.1:" + std::to_string(server_.port()); }

 private:
  ChildServer server_;
};

const RegisterContract registered("tcp", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv::maps
