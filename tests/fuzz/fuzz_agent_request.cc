// SPDX-License-Identifier: 0BSD
// What a worker takes from its socket.  The input is laid over a zero message, so that short inputs
// reach the fields; as it is it must be a message of the right size to pass.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "agent/agent.h"
#include "agent/request.h"
#include "process/channel.h"

namespace {

using namespace qv;
using namespace qv::agent;
using process::as_bytes;

void require(bool condition) {
  if (!condition) abort();
}

bool has_nul(std::string_view s) { return s.find('\0') != std::string_view::npos; }

agent::HomeOwner owner_of(const agent::Request& r) {
  return {r.account_view(), r.uid, r.gid, r.home_view()};
}

// What passed can be made again, from what was read out of it.
void check_question(const agent::Request& r) {
  require(r.want_contents == 0 && r.keys_length > 0 && r.keys_length <= agent::kMaxKeys);
  require(r.table == maps::TableKind::aliases || r.name[0] != '/');
  std::array<std::string_view, maps::kMaxTableKeys> keys;
  const std::size_t count = agent::split_keys(r, keys);
  const maps::TableQuestion question{r.name_view(), r.table, {keys.data(), count}};
  const Result<agent::Request> again = agent::home_table_request(owner_of(r), question);
  require(again.ok() && again.value().keys_view() == r.keys_view());
}

// Everything the header promises of a request that passed.
void check_request(const agent::Request& r) {
  require(r.home_length < agent::kMaxPath && r.name_length < agent::kMaxPath);
  require(r.home[r.home_length] == '\0' && r.name[r.name_length] == '\0');
  require(!has_nul(r.home_view()) && !has_nul(r.name_view()));
  if (r.op == agent::Op::home_index || r.op == agent::Op::home_file ||
      r.op == agent::Op::home_table) {
    require(r.uid != 0 && r.gid != 0 && r.uid != UINT32_MAX && r.gid != UINT32_MAX);
    require(r.home[0] == '/' && agent::is_account_name(r.account_view()));
  }
  require(r.keys_length == 0 || r.op == agent::Op::home_table);
  if (r.op != agent::Op::home_file && r.op != agent::Op::home_table) return;
  const std::string_view name = r.name_view();
  require(!name.empty() && (name.front() != '/' || r.op == agent::Op::home_table));
  require(name != ".." && !name.starts_with("../") && !name.ends_with("/.."));
  require(name.find("/../") == std::string_view::npos);
  if (r.op == agent::Op::home_table) return check_question(r);
  require(r.want_contents == 0 || name.starts_with(".qmail"));
  // What passed can be made again.
  require(agent::home_file_request(
              owner_of(r), name,
              r.want_contents == 1 ? agent::Contents::wanted : agent::Contents::not_wanted)
              .ok());
}

template <class T>
std::string_view laid_over_zeros(std::string_view bytes, T& message) {
  memset(static_cast<void*>(&message), 0, sizeof message);
  memcpy(static_cast<void*>(&message), bytes.data(),
         bytes.size() < sizeof message ? bytes.size() : sizeof message);
  return as_bytes(message);
}

void try_request(std::string_view bytes) {
  const Result<agent::Request> request = agent::validate(bytes);
  require(request.ok() || request.error().fault == Fault::protocol ||
          request.error().fault == Fault::denied);
  if (request.ok()) check_request(request.value());
}

template <std::size_t size>
void take_text(std::string_view& rest, std::size_t length, char (&text)[size]) {
  const std::string_view head = rest.substr(0, length);
  rest = rest.substr(head.size());
  if (head.size() <= size) memcpy(text, head.data(), head.size());
}

// Fields first, then the account, the home, the name and the keys: an input need not be two
// kilobytes long.
void try_fields(std::string_view bytes) {
  agent::Request request;
  const std::size_t head = offsetof(agent::Request, account);
  laid_over_zeros(bytes.substr(0, bytes.size() < head ? bytes.size() : head), request);
  if (bytes.size() > head) {
    std::string_view rest = bytes.substr(head);
    take_text(rest, request.account_length, request.account);
    take_text(rest, request.home_length, request.home);
    take_text(rest, request.name_length, request.name);
    take_text(rest, request.keys_length, request.keys);
  }
  try_request(process::as_bytes(request));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try_request(bytes);
  try_fields(bytes);
  agent::Response response;
  const Result<agent::Response> answer = agent::validate_response(laid_over_zeros(bytes, response));
  require(!answer.ok() ||
          (!has_nul(answer.value().user_view()) && answer.value().user_length < agent::kMaxPath));
  return 0;
}
