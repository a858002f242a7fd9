// SPDX-License-Identifier: 0BSD
#include "tests/maps/child_server.h"
#include "tests/maps/contract.h"
#include "wire/socketmap.h"

namespace qv::maps {
namespace {

bool serve(std::string& in, std::string& out) {
  wire::socketmap::Request request;
  std::size_t size = 0;
  while (wire::socketmap::parse_request(in, request, size) == wire::Frame::whole) {
    using wire::socketmap::Status;
    if (request.name != "users") {
      wire::socketmap::append_reply(out, {Status::permanent, "no such map"});
    } else if (request.key == "user@example.org") {
      wire::socketmap::append_reply(out, {Status::ok, "box/"});
    } else if (request.key == "nul") {
      wire::socketmap::append_reply(out, {Status::ok, std::string_view("a\0b", 3)});
    } else if (request.key == "TEMP") {
      wire::socketmap::append_reply(out, {Status::temporary, "later"});
    } else if (request.key == "GARBAGE") {
      out += "5:OK x\nX";
    } else if (request.key == "CLOSE") {
      return false;
    } else if (request.key == "TWO") {
      wire::socketmap::append_reply(out, {Status::ok, "one"});
      wire::socketmap::append_reply(out, {Status::ok, "two"});
    } else {
      wire::socketmap::append_reply(out, {Status::not_found, ""});
    }
    in.erase(0, size);
  }
  return true;
}

class Table final : public ContractTable {
 public:
  Table() : server_(scratch_.path("s"), serve) {
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
  std::string name() const override { return "socketmap:unix:" + scratch_.path("s") + ":users"; }

 private:
  Scratch scratch_;
  ChildServer server_;
};

const RegisterContract registered("socketmap", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv::maps
