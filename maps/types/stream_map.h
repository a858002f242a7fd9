// SPDX-License-Identifier: 0BSD
// maps/types/stream_map.h - a table that is asked over one stream connection, with a deadline for
// each request.
//
// Threads: none.  Blocking: up to the time limit.  Tests: tests/maps/contract_socketmap.cc
#ifndef QV_MAPS_TYPES_STREAM_MAP_H_
#define QV_MAPS_TYPES_STREAM_MAP_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/fd.h"
#include "event/listen.h"
#include "maps/types/server_map.h"
#include "wire/frame.h"

namespace qv {

class StreamMap : public ServerMap {
 protected:
  // `address` is `unix:/path` or `inet:host:port`, an IPv6 host in brackets; each address of the
  // host is tried.
  explicit StreamMap(std::string address) { hosts_.push_back(std::move(address)); }

  Result<void> connect(const std::string& address) override;
  void disconnect() override { socket_.reset(); }

  // What is looked for in the bytes that have arrived: as a codec's parse function, with the size
  // of the message set on whole.
  using Parse = std::function<Frame(std::string_view bytes, std::size_t& size)>;

  // Sends `request` and reads until `parse` says whole; the message is consumed.  Errors, after
  // each of which the connection is lost: time limit, connection closed (retry); a malformed
  // message, or bytes behind it (protocol).
  [[nodiscard]] Result<void> exchange(std::string_view request, const Parse& parse);

 private:
  [[nodiscard]] Result<void> connect_to(const StreamAddress& address);
  [[nodiscard]] Result<void> wait(short events, std::int64_t deadline_us) const;
  [[nodiscard]] Result<void> try_exchange(std::string_view request, const Parse& parse);

  Fd socket_;
};

}  // namespace qv

#endif  // QV_MAPS_TYPES_STREAM_MAP_H_
