// SPDX-License-Identifier: 0BSD
#include <map>

#include "tests/maps/child_server.h"
#include "tests/maps/contract.h"
#include "wire/attributes.h"
#include "wire/proxymap.h"

namespace qv {
namespace {

using proxymap::Operation;
using proxymap::Reply;
using proxymap::Request;
using proxymap::Status;

using Entries = std::map<std::string, std::string, std::less<>>;

// Lives in the child process.
Entries& entries() {
  static Entries all{{"user@example.org", "box/"}};
  return all;
}

Reply lookup(std::string_view key) {
  if (key == "TEMP") return {.status = Status::retry};
  const auto found = entries().find(key);
  if (found == entries().end()) return {.status = Status::no_key};
  return {.status = Status::ok, .value = found->second};
}

Reply step(bool next) {
  static Entries::const_iterator at;
  at = next ? std::next(at) : entries().begin();
  if (at == entries().end()) return {.status = Status::no_key};
  return {.status = Status::ok, .key = at->first, .value = at->second};
}

Reply answer(const Request& request) {
  switch (request.operation) {
    case Operation::open:
      return {.status = Status::ok, .flags = proxymap::flag::kFixed};
    case Operation::lookup:
      return lookup(request.key);
    case Operation::update:
      entries()[std::string(request.key)] = request.value;
      return {.status = Status::ok};
    case Operation::erase:
      return {.status =
                  entries().erase(std::string(request.key)) > 0 ? Status::ok : Status::no_key};
    case Operation::sequence:
      return step(request.next);
  }
  return {.status = Status::bad};
}

bool serve(std::string& in, std::string& out) {
  for (;;) {
    AttributeDecoder decoder;
    if (decoder.scan(in) != Frame::whole) return true;
    Request request;
    if (proxymap::parse_request(decoder, in, request) != proxymap::Parsed::request) return false;
    if (request.key == "CLOSE") return false;
    if (request.key == "GARBAGE") {
      out += std::string("what\0ever\0\0", 11);
    } else {
      proxymap::append_reply(out, request.operation, request.dialect, answer(request));
      if (request.key == "TWO") {
        proxymap::append_reply(out, request.operation, request.dialect, answer(request));
      }
    }
    in.erase(0, decoder.size());
  }
}

std::string greeting() {
  std::string out;
  proxymap::append_greeting(out);
  return out;
}

class Table final : public ContractTable {
 public:
  Table() : server_(scratch_.path("s"), serve, greeting()) {
    tells_replaced = false;
    EXPECT_TRUE(server_.start());
    setenv("PROXYMAP", ("unix:" + scratch_.path("s")).c_str(), 1);
    setenv("PROXYWRITE", ("unix:" + scratch_.path("s")).c_str(), 1);
    damages.push_back({"no proxy", [this] { server_.kill(); }});
    for (const char* how : {"TEMP", "GARBAGE", "CLOSE", "TWO"}) {
      damages.push_back({how, [this, how] { known_key = how; }});
    }
    kill = [this] { server_.kill(); };
    revive = [this] { return server_.start(); };
  }
  ~Table() override {
    unsetenv("PROXYMAP");
    unsetenv("PROXYWRITE");
  }
  std::string name() const override { return "proxy:cdb:/any"; }

 private:
  Scratch scratch_;
  ChildServer server_;
};

const RegisterContract registered("proxy", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv
