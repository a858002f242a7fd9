// SPDX-License-Identifier: 0BSD
// probe/client.h - one client of the verify protocol: that of Postfix's verify(8), extended.
//
// The server greets.  A message is attributes (wire/attributes.h):
//
//   request=query, address [, wait]           -> status, recipient_status, reason [, why]
//   request=update, address, recipient_status, reason  -> status
//   request=list, after, limit                -> status, count, entries
//   request=put, key, record                  -> status
//   request=purge, what                       -> status, count
//
// `wait` (milliseconds) is our extension: the reply comes when the outcome is known or the time is
// over, and has the reason of the answer, `why`.  list, put and purge are extensions for the tools.
// They and update are for root, the daemon's uid and those of control/probe_update_users, as the
// kernel gives the uid (SO_PEERCRED).  An entry of a list is KEY TAB RECORD NEWLINE; the next list
// begins after the last key.  `what` is an address, a domain (with all its addresses) or `--all`.
//
// Status: 0; 4294967295 (-1) not allowed or not possible; 4294967294 (-2) not a request, after
// which the server closes the connection.
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

namespace qv {

inline constexpr std::uint32_t kVerifyOk = 0;
inline constexpr std::uint32_t kVerifyFail = UINT32_MAX;
inline constexpr std::uint32_t kVerifyBad = UINT32_MAX - 1;

// Shared by all clients.
struct VerifyClients {
  ProbeService& service;
  CacheStore& store;
  Records& records;
  std::set<uid_t> may_update;
  Report report;
  std::string reply{};  // reused memory
};

class VerifyClient final : public StreamSession {
 public:
  static constexpr std::size_t kMaxMessage = 64u << 10;
  static constexpr std::size_t kMaxEntries = 500;  // of one list

  // Greets.  REQUIRES: `clients` outlives the session.
  VerifyClient(VerifyClients& clients, Stream& stream);

  std::size_t on_input(Stream& stream, std::string_view input) override;

 private:
  using Handler = void (VerifyClient::*)(AttributeReader&);

  void on_query(AttributeReader& reader);
  void on_update(AttributeReader& reader);
  void on_list(AttributeReader& reader);
  void on_put(AttributeReader& reader);
  void on_purge(AttributeReader& reader);
  void reply(std::uint32_t status, std::initializer_list<Attribute> more = {});
  void reply_answer(const VerifyAnswer& answer, bool with_why);
  // False: the client may not, which is logged and replied.
  [[nodiscard]] bool may(std::string_view request);
  void reply_bad();

  VerifyClients& clients_;
  Stream& stream_;
  AttributeDecoder decoder_;
  uid_t uid_;
  std::string_view message_;  // during on_input()
  bool answered_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

// Erases an address, or a domain with its addresses, or everything.  The number of entries.
[[nodiscard]] Result<std::uint32_t> purge_store(CacheStore& store, std::string_view what);

// Whether a tool may put this into the cache.
[[nodiscard]] bool is_entry(std::string_view key, std::string_view record);

}  // namespace qv

#endif  // QV_PROBE_CLIENT_H_
