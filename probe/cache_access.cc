// SPDX-License-Identifier: 0BSD
#include "probe/cache_access.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "cache/lmdb_store.h"
#include "core/fault.h"
#include "core/file.h"
#include "core/text.h"
#include "event/listen.h"
#include "probe/client.h"
#include "wire/attributes.h"

namespace qv {

namespace {

constexpr Error kProtocol{Fault::protocol, 0, "the daemon's reply is not one"};
constexpr std::size_t kMaxReply = 4u << 20;

// One request, one reply, over a blocking socket.
class DaemonAccess final : public CacheAccess {
 public:
  explicit DaemonAccess(Fd fd) : fd_(std::move(fd)) {}

  Result<void> greet() { return receive(); }

  Result<void> list(const Visitor& visitor) override {
    std::string after;
    for (;;) {
      std::string request = begin("list");
      append_attribute(request, "after", after);
      append_attribute(request, "limit", std::uint32_t{VerifyClient::kMaxEntries});
      QV_TRY_VOID(exchange(std::move(request)));
      AttributeReader reader(decoder_, in_);
      QV_TRY_VOID(check_status(reader));
      const std::uint32_t count = reader.number("count");
      std::string_view entries = reader.text("entries");
      if (!reader.done()) return kProtocol;
      if (count == 0) return {};
      while (!entries.empty()) {
        std::string_view line = take_until(entries, '\n');
        const std::string_view key = take_until(line, '\t');
        visitor(key, line);
        after = key;
      }
    }
  }

  Result<void> put(std::string_view key, std::string_view record) override {
    std::string request = begin("put");
    append_attribute(request, "key", key);
    append_attribute(request, "record", record);
    QV_TRY_VOID(exchange(std::move(request)));
    AttributeReader reader(decoder_, in_);
    return check_status(reader);
  }

  Result<std::uint32_t> purge(std::string_view what) override {
    std::string request = begin("purge");
    append_attribute(request, "what", what);
    QV_TRY_VOID(exchange(std::move(request)));
    AttributeReader reader(decoder_, in_);
    QV_TRY_VOID(check_status(reader));
    const std::uint32_t count = reader.number("count");
    if (!reader.done()) return kProtocol;
    return count;
  }

  Result<void> finish() override { return {}; }

 private:
  static std::string begin(std::string_view request) {
    std::string out;
    append_attribute(out, "request", request);
    return out;
  }

  static Result<void> check_status(AttributeReader& reader) {
    const std::uint32_t status = reader.number("status");
    if (reader.failed()) return kProtocol;
    if (status == kVerifyOk) return {};
    return Error{Fault::denied, 0, "the daemon refuses: not allowed, or not an entry"};
  }

  Result<void> exchange(std::string request) {
    end_attributes(request);
    QV_TRY_VOID(write_all(fd_.get(), request));
    return receive();
  }

  Result<void> receive() {
    in_.clear();
    decoder_.reset();
    for (;;) {
      char buffer[65536];
      const ssize_t got = read(fd_.get(), buffer, sizeof buffer);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return errno_error("read from the daemon");
      if (got == 0) return Error{Fault::retry, 0, "the daemon has closed the connection"};
      in_.append(buffer, static_cast<std::size_t>(got));
      const Frame frame = decoder_.scan(in_);
      if (frame == Frame::whole) return {};
      if (frame == Frame::malformed) return kProtocol;
    }
  }

  Fd fd_;
  AttributeDecoder decoder_{AttributeLimits{.message = kMaxReply, .name = 64}};
  std::string in_;
};

class FileAccess final : public CacheAccess {
 public:
  explicit FileAccess(std::unique_ptr<LmdbStore> store) : store_(std::move(store)) {}

  Result<void> list(const Visitor& visitor) override {
    return store_->walk({}, [&](std::string_view key, std::string_view record) {
      visitor(key, record);
      return CacheStore::Walk::go_on;
    });
  }

  Result<void> put(std::string_view key, std::string_view record) override {
    constexpr unsigned kFlushEvery = 1000;
    if (!is_entry(key, record)) return Error{Fault::denied, 0, "not an entry"};
    if (++puts_ % kFlushEvery == 0) QV_TRY_VOID(store_->flush());
    return store_->put(cache_key(key), record);
  }

  Result<std::uint32_t> purge(std::string_view what) override { return purge_store(*store_, what); }

  Result<void> finish() override { return store_->flush(); }

 private:
  std::unique_ptr<LmdbStore> store_;
  unsigned puts_ = 0;
};

}  // namespace

Result<std::unique_ptr<CacheAccess>> open_daemon(const std::string& address) {
  constexpr timeval kLimit{.tv_sec = 10, .tv_usec = 0};
  QV_TRY(const StreamAddress parsed, parse_stream_address(address));
  Fd fd(::socket(parsed.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return errno_error("socket");
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kLimit, sizeof kLimit);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kLimit, sizeof kLimit);
  if (::connect(fd.get(), parsed.get(), parsed.size) != 0) return errno_error("connect");
  auto access = std::make_unique<DaemonAccess>(std::move(fd));
  QV_TRY_VOID(access->greet());
  return std::unique_ptr<CacheAccess>(std::move(access));
}

Result<std::unique_ptr<CacheAccess>> open_cache_file(const std::string& path,
                                                     std::size_t max_entries) {
  QV_TRY(std::unique_ptr<LmdbStore> store, LmdbStore::open(path, max_entries));
  return std::unique_ptr<CacheAccess>(std::make_unique<FileAccess>(std::move(store)));
}

}  // namespace qv
