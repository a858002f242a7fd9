// SPDX-License-Identifier: 0BSD
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cache/record.h"
#include "cache/store.h"
#include "control/reloaded.h"
#include "core/exit_code.h"
#include "core/fault.h"
#include "core/file.h"
#include "core/text.h"
#include "probe/client.h"
#include "probe/options.h"

namespace qv::probe {

namespace {

constexpr Error kProtocol{Fault::protocol, 0, "the daemon's reply is not one"};
constexpr std::size_t kMaxReply = 4u << 20;

// The cache: through the daemon, one request and one reply at a time, or else its file.
class Cache {
 public:
  using Visitor = std::function<void(std::string_view key, std::string_view record)>;

  [[nodiscard]] Result<void> open(const ProbeOptions& options) {
    const Result<void> connected = connect(options.listen.front());
    if (connected.ok()) return {};
    const int errnum = connected.error().errnum;
    const bool no_daemon = errnum == ENOENT || errnum == ECONNREFUSED;
    if (!no_daemon || options.lmdb_path.empty()) return connected;
    QV_TRY(file_, cache::CacheStore::open(options.lmdb_path, options.cache_entries));
    return {};
  }

  // Visits all entries in the order of their keys.
  [[nodiscard]] Result<void> list(const Visitor& visitor) {
    if (file_) {
      return file_->walk({}, [&](std::string_view key, std::string_view record) {
        visitor(key, record);
        return cache::CacheStore::Walk::go_on;
      });
    }
    std::string after;
    for (;;) {
      const std::string limit = std::to_string(VerifyClient::kMaxEntries);
      QV_TRY(wire::AttributeReader reader,
             exchange({{"request", "list"}, {"after", after}, {"limit", limit}}));
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

  // Fault::denied: not allowed, or not an entry.
  [[nodiscard]] Result<void> put(std::string_view key, std::string_view record) {
    constexpr unsigned kFlushEvery = 1000;
    if (file_) {
      cache::CacheRecord parsed;
      if (!cache::is_cache_key(key) ||
          cache::parse_record(record, parsed) == cache::RecordForm::damaged) {
        return Error{Fault::denied, 0, "not an entry"};
      }
      if (++puts_ % kFlushEvery == 0) QV_TRY_VOID(file_->flush());
      return file_->put(cache::cache_key(key), record);
    }
    QV_TRY_VOID(exchange({{"request", "put"}, {"key", key}, {"record", record}}));
    return {};
  }

  // As purge_store(): the number of entries.
  [[nodiscard]] Result<std::uint32_t> purge(std::string_view what) {
    if (file_) return purge_store(*file_, what);
    QV_TRY(wire::AttributeReader reader, exchange({{"request", "purge"}, {"what", what}}));
    const std::uint32_t count = reader.number("count");
    if (!reader.done()) return kProtocol;
    return count;
  }

  // Makes all changes durable.
  [[nodiscard]] Result<void> finish() { return file_ ? file_->flush() : Result<void>(); }

 private:
  // To the daemon that listens on "unix:/path"; it has ten seconds for each reply.
  Result<void> connect(const std::string& address) {
    constexpr timeval kLimit{.tv_sec = 10, .tv_usec = 0};
    QV_TRY(const event::StreamAddress parsed, event::parse_stream_address(address));
    fd_.reset(::socket(parsed.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd_.valid()) return errno_error("socket");
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &kLimit, sizeof kLimit);
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &kLimit, sizeof kLimit);
    if (::connect(fd_.get(), parsed.get(), parsed.size) != 0) return errno_error("connect");
    return receive();  // the greeting
  }

  // The reply behind its status, which is "done".
  Result<wire::AttributeReader> exchange(std::initializer_list<wire::Attribute> attributes) {
    std::string request;
    for (const wire::Attribute& each : attributes)
      wire::append_attribute(request, each.name, each.value);
    wire::end_attributes(request);
    QV_TRY_VOID(write_all(fd_.get(), request));
    QV_TRY_VOID(receive());
    wire::AttributeReader reader(decoder_, in_);
    const std::uint32_t status = reader.number("status");
    if (reader.failed()) return kProtocol;
    if (status == kVerifyOk) return reader;
    return Error{Fault::denied, 0, "the daemon refuses: not allowed, or not an entry"};
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
      const wire::Frame frame = decoder_.scan(in_);
      if (frame == wire::Frame::whole) return {};
      if (frame == wire::Frame::malformed) return kProtocol;
    }
  }

  std::unique_ptr<cache::CacheStore> file_;  // null: through the daemon
  unsigned puts_ = 0;
  Fd fd_;
  wire::AttributeDecoder decoder_{wire::AttributeLimits{.message = kMaxReply, .name = 64}};
  std::string in_;
};

int complain(const std::string& what, const Error& error) {
  fprintf(stderr, "qmail-probe: %s: %s\n", what.c_str(), control::describe(error).c_str());
  return kExitTemporary;
}

std::string utc(std::int64_t seconds) {
  if (seconds == 0) return "-";
  const time_t moment = seconds;
  tm parts{};
  char text[32] = "-";
  if (gmtime_r(&moment, &parts) != nullptr) {
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  }
  return text;
}

// Status, state, times and text, separated by tabs.
std::string describe(std::string_view bytes, std::string_view key, const cache::CacheTimes& times) {
  // In the order of EntryState.
  constexpr std::string_view kStates[] = {"ignored", "pending", "expired",
                                          "fresh",   "stale",   "held"};
  cache::CacheRecord record;
  if (cache::parse_record(bytes, record) == cache::RecordForm::damaged) return "damaged";
  const cache::EntryState state = cache::state_of(key, record, time(nullptr), times);
  return std::string(cache::status_name(record.status)) + "\t" +
         std::string(kStates[static_cast<std::size_t>(state)]) + "\t" + utc(record.updated) + "\t" +
         utc(record.probed) + "\t" + record.text;
}

// list, show and export.
int print(Cache& cache, const std::string& verb, std::string_view address,
          const cache::CacheTimes& times) {
  const std::string wanted = cache::cache_key(address);
  const std::string domain = cache::domain_key(cache::domain_of(address));
  bool found = verb != "show";
  const Result<void> listed = cache.list([&](std::string_view key, std::string_view record) {
    if (verb == "show" && key != wanted && key != domain) return;
    found = true;
    const std::string text = verb == "export" ? std::string(record) : describe(record, key, times);
    printf("%.*s\t%s\n", static_cast<int>(key.size()), key.data(), text.c_str());
  });
  if (!listed.ok()) return complain(verb, listed.error());
  if (fflush(stdout) != 0) return kExitTemporary;
  return found ? kExitOk : kExitPermanent;
}

int purge(Cache& cache, std::string_view what) {
  const Result<std::uint32_t> purged = cache.purge(what);
  const Result<void> finished = cache.finish();
  if (!purged.ok()) return complain("purge", purged.error());
  if (!finished.ok()) return complain("purge", finished.error());
  printf("%u entries purged\n", purged.value());
  return kExitOk;
}

// From an export, or another table such as Postfix's address_verify_map.
int import_from(Cache& cache, const std::string& source) {
  unsigned imported = 0;
  unsigned refused = 0;
  Result<void> done;
  // False: stop.
  const auto add = [&](std::string_view key, std::string_view record) {
    // Postfix's verify(8) stores its housekeeping beside the addresses.
    if (find_byte(key, '@') == key.size()) return true;
    const Result<void> put = cache.put(key, record);
    put.ok() ? ++imported : ++refused;
    if (!put.ok() && put.error().fault != Fault::denied) done = put;
    return done.ok();
  };
  if (const auto path = lmdb_file_of(source)) {
    const Result<void> walked =
        cache::walk_lmdb_file(*path, [&](std::string_view key, std::string_view record) {
          return add(key, record) ? cache::CacheStore::Walk::go_on : cache::CacheStore::Walk::stop;
        });
    if (!walked.ok()) return complain(*path, walked.error());
  } else {
    FILE* in = source == "-" ? stdin : fopen(source.c_str(), "re");
    if (in == nullptr) return complain(source, Error{Fault::retry, errno, "open"});
    char* line = nullptr;
    std::size_t size = 0;
    for (ssize_t got = 0; done.ok() && (got = getline(&line, &size, in)) > 0;) {
      std::string_view text(line, static_cast<std::size_t>(got));
      if (ends_with(text, "\n")) text.remove_suffix(1);
      const std::string_view key = take_until(text, '\t');
      if (!key.empty() && key.front() != '#') add(key, text);
    }
    free(line);
    if (in != stdin) fclose(in);
  }
  const Result<void> finished = cache.finish();
  if (done.ok()) done = finished;
  if (!done.ok()) return complain("import", done.error());
  printf("%u entries imported, %u refused\n", imported, refused);
  return refused == 0 ? kExitOk : kExitTemporary;
}

}  // namespace

const char* probe_tool_usage() {
  return "       qmail-probe list                      every entry: key, status, state, time of "
         "the "
         "answer, time of the last probe, text\n"
         "       qmail-probe show ADDRESS              the entries of the address and its domain\n"
         "       qmail-probe purge ADDRESS|DOMAIN|--all\n"
         "       qmail-probe export                    the cache as text\n"
         "       qmail-probe import [FILE|lmdb:/PATH]  what export wrote (default: standard "
         "input), or Postfix's map\n";
}

int run_probe_tool(std::span<char* const> words, const ProbeOptions& options) {
  const std::string verb = words.empty() ? "" : words[0];
  const bool takes_none = verb == "list" || verb == "export";
  const bool takes_one = verb == "show" || verb == "purge";
  const bool fits = (takes_none && words.size() == 1) || (takes_one && words.size() == 2) ||
                    (verb == "import" && words.size() <= 2);
  if (!fits) {
    fprintf(stderr, "usage:\n%s", probe_tool_usage());
    return kExitPermanent;
  }
  Cache cache;
  const Result<void> opened = cache.open(options);
  if (!opened.ok()) return complain(options.listen.front(), opened.error());
  const char* argument = words.size() == 2 ? words[1] : nullptr;
  if (verb == "purge") return purge(cache, argument);
  if (verb == "import") return import_from(cache, argument == nullptr ? "-" : argument);
  return print(cache, verb, argument == nullptr ? "" : argument, options.service.times);
}

}  // namespace qv::probe
