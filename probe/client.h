// SPDX-License-Identifier: 0BSD
// probe/client.h - one client of the verify protocol: that of Postfix's verify(8), extended.
//
// qmail-probe(8), PROTOCOL, has the messages.  `wait` and `why` of a query are our extension: the
// reply comes when the outcome is known or the time is over.  So are list, put and purge, for the
// commands.  These and update are for root, the daemon's uid and those of
// control/probe_update_users, as the kernel gives the uid (SO_PEERCRED).
//
// Threads: none.  Manual: qmail-probe(8).  Tests: tests/probe/client_test.cc
#ifndef QV_PROBE_CLIENT_H_
#define QV_PROBE_CLIENT_H_

#include <sys/types.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "cache/store.h"
#include "event/stream_server.h"
#include "probe/records.h"
#include "probe/service.h"
#include "wire/attributes.h"

namespace qv::probe {

inline constexpr std::uint32_t kVerifyOk = 0;
inline constexpr std::uint32_t kVerifyFail = UINT32_MAX;     // not allowed or not possible
inline constexpr std::uint32_t kVerifyBad = UINT32_MAX - 1;  // not a request; ends the connection

// Shared by all clients.
struct VerifyClients {
  ProbeService& service;
  cache::CacheStore& store;
  Records& records;
  std::set<uid_t> may_update;
  Report report;
  std::string reply{};  // reused memory
};

class VerifyClient final : public event::StreamSession {
 public:
  static constexpr std::size_t kMaxMessage = 64u << 10;
  static constexpr std::size_t kMaxEntries = 500;  // of one list

  // Greets.  REQUIRES: `clients` outlives the session.
  VerifyClient(VerifyClients& clients, event::Stream& stream);

  std::size_t on_input(event::Stream& stream, std::string_view input) override;

 private:
  using Handler = void (VerifyClient::*)(wire::AttributeReader&);

  void on_query(wire::AttributeReader& reader);
  void on_update(wire::AttributeReader& reader);
  void on_list(wire::AttributeReader& reader);
  void on_put(wire::AttributeReader& reader);
  void on_purge(wire::AttributeReader& reader);
  void reply(std::uint32_t status, std::initializer_list<wire::Attribute> more = {});
  void reply_answer(const VerifyAnswer& answer, bool with_why);
  // False: the client may not, which is logged and replied.
  [[nodiscard]] bool may(std::string_view request);
  void reply_bad();

  VerifyClients& clients_;
  event::Stream& stream_;
  wire::AttributeDecoder decoder_;
  uid_t uid_;
  std::string_view message_;  // during on_input()
  bool answered_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

// Erases an address, or a domain with its addresses, or everything.  The number of entries.
[[nodiscard]] Result<std::uint32_t> purge_store(cache::CacheStore& store, std::string_view what);

}  // namespace qv::probe

#endif  // QV_PROBE_CLIENT_H_
