// SPDX-License-Identifier: 0BSD
// probe/client.h - one client of the verify protocol, Postfix's verify(8) and what we add to it.
//
// The server greets.  A message is attributes (wire/attributes.h):
//
//   request=query, address [, wait]           -> status, recipient_status, reason [, why]
//   request=update, address, recipient_status, reason  -> status
//   request=list, after, limit                -> status, count, entries
//   request=put, key, record                  -> status
//   request=purge, what                       -> status, count
//
// `wait` (milliseconds) is ours: the reply comes when the address is known, or the time is over,
// and says why.  list, put and purge are ours too, for the tools; they and update are for root, our
// own uid and those of control/probe_update_users only, by the uid the kernel gives (SO_PEERCRED).
// An entry of a list is KEY TAB RECORD NEWLINE; the next list begins after the last key.  `what` is
// an address, a domain (with all its addresses) or `--all`.
//
// Status: 0; 4294967295 (-1) not allowed or not possible; 4294967294 (-2) not a request, after
// which the connection is closed.
//
// Threads: none.  Manual: qmail-probe(8).  Tests: tests/probe/client_test.cc
#ifndef QV_PROBE_CLIENT_H_
#define QV_PROBE_CLIENT_H_

#include <sys/types.h>

#include <cstdint>
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

// What all clients share.
struct VerifyClients {
  VerifyService& service;
  CacheStore& store;
  Records& records;
  std::set<uid_t> may_update;
  Report report;
  std::string reply{};  // while one is written, kept for its memory
};

class VerifyClient final : public StreamSession {
 public:
  static constexpr std::size_t kMaxMessage = 64u << 10;
  static constexpr std::size_t kMaxEntries = 500;  // of one list

  // Greets.  REQUIRES: `clients` outlives the session.
  VerifyClient(VerifyClients& clients, Stream& stream);

  std::size_t on_input(Stream& stream, std::string_view input) override;

 private:
  void handle(Stream& stream, std::string_view message);
  void on_query(Stream& stream, AttributeReader& reader);
  void on_update(Stream& stream, AttributeReader& reader);
  void on_list(Stream& stream, AttributeReader& reader);
  void on_put(Stream& stream, AttributeReader& reader);
  void on_purge(Stream& stream, AttributeReader& reader);
  void refuse(Stream& stream, std::string_view request);
  void bad(Stream& stream, std::string_view message);
  [[nodiscard]] bool may_update() const;

  VerifyClients& clients_;
  AttributeDecoder decoder_;
  uid_t uid_;
  std::string_view message_;  // during on_input()
  bool answered_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

// Erases an address, or a domain's addresses and what is known of the domain, or everything.
// The number of entries.
[[nodiscard]] Result<std::uint32_t> purge_store(CacheStore& store, std::string_view what);

// Checks and stores an entry as a tool hands it in.  False: key or record is not one.
[[nodiscard]] bool is_entry(std::string_view key, std::string_view record);

}  // namespace qv

#endif  // QV_PROBE_CLIENT_H_
