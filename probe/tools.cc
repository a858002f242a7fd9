// SPDX-License-Identifier: 0BSD
#include "probe/tools.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>

#include "cache/lmdb_store.h"
#include "cache/rules.h"
#include "control/reloaded.h"
#include "core/exit_code.h"
#include "core/fault.h"
#include "core/file.h"
#include "core/text.h"
#include "probe/client.h"

namespace qv {

namespace {

// The cache as a tool sees it: through the daemon, or the file itself.
class CacheAccess {
 public:
  using Visitor = std::function<void(std::string_view key, std::string_view record)>;

  virtual ~CacheAccess() = default;
  // All entries in the order of their keys.
  [[nodiscard]] virtual Result<void> list(const Visitor& visitor) = 0;
  // Fault::denied: we may not, or it is not an entry.
  [[nodiscard]] virtual Result<void> put(std::string_view key, std::string_view record) = 0;
  // As purge_store(): the number of entries.
  [[nodiscard]] virtual Result<std::uint32_t> purge(std::string_view what) = 0;
  // Ends the work: what was put is lasting.
  [[nodiscard]] virtual Result<void> finish() = 0;
};

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
      QV_TRY(AttributeReader reader, exchange(std::move(request)));
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
    QV_TRY(const AttributeReader reader, exchange(std::move(request)));
    static_cast<void>(reader);
    return {};
  }

  Result<std::uint32_t> purge(std::string_view what) override {
    std::string request = begin("purge");
    append_attribute(request, "what", what);
    QV_TRY(AttributeReader reader, exchange(std::move(request)));
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

  // The rest of a reply that says "done".
  Result<AttributeReader> exchange(std::string request) {
    end_attributes(request);
    QV_TRY_VOID(write_all(fd_.get(), request));
    QV_TRY_VOID(receive());
    AttributeReader reader(decoder_, in_);
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

// The daemon that listens on "unix:/path"; it has ten seconds for each reply.
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

using Words = std::span<char* const>;

int complain(const std::string& what, const Error& error) {
  fprintf(stderr, "qmail-probe: %s: %s\n", what.c_str(), describe(error).c_str());
  return kExitTemporary;
}

int misused() {
  fprintf(stderr, "usage:\n%s", probe_tool_usage());
  return kExitPermanent;
}

// The daemon, or its file where no daemon is there.
Result<std::unique_ptr<CacheAccess>> open_cache(const ProbeOptions& options) {
  Result<std::unique_ptr<CacheAccess>> daemon = open_daemon(options.listen.front());
  if (daemon.ok()) return daemon;
  const int errnum = daemon.error().errnum;
  const bool nobody = errnum == ENOENT || errnum == ECONNREFUSED;
  if (!nobody || options.lmdb_path.empty()) return daemon;
  // The file of a daemon that does not run, made where there is none.
  QV_TRY(std::unique_ptr<LmdbStore> store,
         LmdbStore::open(options.lmdb_path, options.cache_entries));
  return std::unique_ptr<CacheAccess>(std::make_unique<FileAccess>(std::move(store)));
}

std::string when(std::int64_t seconds) {
  if (seconds == 0) return "-";
  const time_t moment = seconds;
  tm parts{};
  char text[32] = "-";
  if (gmtime_r(&moment, &parts) != nullptr) {
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  }
  return text;
}

// What each EntryState is called, in their order.
constexpr std::string_view kStateNames[] = {"ignored", "pending", "expired",
                                            "fresh",   "stale",   "held"};

void print_entry(std::string_view key, std::string_view bytes, const CacheTimes& times) {
  CacheRecord record;
  std::string line(key);
  if (parse_record(bytes, record) == RecordForm::damaged) {
    line += "\tdamaged";
  } else {
    const bool of_domain = starts_with(key, "@");
    const std::int64_t now = time(nullptr);
    const std::string_view state =
        !of_domain ? kStateNames[static_cast<std::size_t>(judge(&record, now, times).state)]
        : judge_domain(&record, now, times) == AcceptAll::unknown ? "expired"
                                                                  : "fresh";
    line += "\t" + std::string(status_name(record.status)) + "\t" + std::string(state) + "\t" +
            when(record.updated) + "\t" + when(record.probed) + "\t" + record.text;
  }
  puts(line.c_str());
}

int list(CacheAccess& cache, const ProbeOptions& options) {
  const Result<void> listed = cache.list([&](std::string_view key, std::string_view record) {
    print_entry(key, record, options.service.times);
  });
  return listed.ok() ? kExitOk : complain("list", listed.error());
}

int show(CacheAccess& cache, const ProbeOptions& options, std::string_view address) {
  const std::string wanted = cache_key(address);
  const std::string domain = domain_key(domain_of(address));
  bool found = false;
  const Result<void> listed = cache.list([&](std::string_view key, std::string_view record) {
    if (key != wanted && key != domain) return;
    found = true;
    print_entry(key, record, options.service.times);
  });
  if (!listed.ok()) return complain("show", listed.error());
  return found ? kExitOk : kExitPermanent;
}

int purge(CacheAccess& cache, std::string_view what) {
  const Result<std::uint32_t> purged = cache.purge(what);
  const Result<void> finished = cache.finish();
  if (!purged.ok()) return complain("purge", purged.error());
  if (!finished.ok()) return complain("purge", finished.error());
  printf("%u entries purged\n", purged.value());
  return kExitOk;
}

int write_out(CacheAccess& cache) {
  const Result<void> listed = cache.list([](std::string_view key, std::string_view record) {
    printf("%.*s\t%.*s\n", static_cast<int>(key.size()), key.data(),
           static_cast<int>(record.size()), record.data());
  });
  if (!listed.ok()) return complain("export", listed.error());
  return fflush(stdout) == 0 ? kExitOk : kExitTemporary;
}

// Counts what was taken and what was not.
class Import {
 public:
  explicit Import(CacheAccess& cache) : cache_(cache) {}

  void take(std::string_view key, std::string_view record) {
    // Postfix's verify(8) keeps its housekeeping beside the addresses.
    if (find_byte(key, '@') == key.size()) return;
    const Result<void> put = cache_.put(key, record);
    if (put.ok()) {
      ++taken_;
      return;
    }
    ++refused_;
    if (put.error().fault != Fault::denied) failed_ = put.error();
  }
  // A line of an export.
  void take_line(std::string_view line) {
    const std::string_view key = take_until(line, '\t');
    take(key, line);
  }
  [[nodiscard]] bool going() const { return failed_.what[0] == '\0'; }

  int finish() {
    const Result<void> finished = cache_.finish();
    if (!going()) return complain("import", failed_);
    if (!finished.ok()) return complain("import", finished.error());
    printf("%u entries imported, %u refused\n", taken_, refused_);
    return refused_ == 0 ? kExitOk : kExitTemporary;
  }

 private:
  CacheAccess& cache_;
  unsigned taken_ = 0;
  unsigned refused_ = 0;
  Error failed_{Fault::retry, 0, ""};
};

int import_text(CacheAccess& cache, FILE* in) {
  Import import(cache);
  char* line = nullptr;
  std::size_t size = 0;
  ssize_t got = 0;
  while (import.going() && (got = getline(&line, &size, in)) > 0) {
    std::string_view text(line, static_cast<std::size_t>(got));
    if (ends_with(text, "\n")) text.remove_suffix(1);
    if (!text.empty() && text.front() != '#') import.take_line(text);
  }
  free(line);
  return import.finish();
}

// Another table, such as Postfix's address_verify_map.
int import_lmdb(CacheAccess& cache, const std::string& path) {
  Import import(cache);
  const Result<void> walked =
      walk_lmdb_file(path, [&](std::string_view key, std::string_view record) {
        import.take(key, record);
        return import.going() ? CacheStore::Walk::go_on : CacheStore::Walk::stop;
      });
  if (!walked.ok()) return complain(path, walked.error());
  return import.finish();
}

int import_from(CacheAccess& cache, const std::string& source) {
  if (const auto path = lmdb_file_of(source)) return import_lmdb(cache, *path);
  if (source == "-") return import_text(cache, stdin);
  FILE* in = fopen(source.c_str(), "re");
  if (in == nullptr) return complain(source, Error{Fault::retry, errno, "open"});
  const int code = import_text(cache, in);
  fclose(in);
  return code;
}

}  // namespace

const char* probe_tool_usage() {
  return "       qmail-probe list                      every entry: key, status, state, when "
         "learnt, "
         "when asked, text\n"
         "       qmail-probe show ADDRESS              what is known about it and its domain\n"
         "       qmail-probe purge ADDRESS|DOMAIN|--all\n"
         "       qmail-probe export                    the cache as text\n"
         "       qmail-probe import [FILE|lmdb:/PATH]  what export wrote (default: standard "
         "input), "
         "or Postfix's map\n";
}

int run_probe_tool(Words words, const ProbeOptions& options) {
  const std::string verb = words.empty() ? "" : words[0];
  const std::size_t arguments = words.empty() ? 0 : words.size() - 1;
  const bool takes_none = verb == "list" || verb == "export";
  const bool takes_one = verb == "show" || verb == "purge";
  const bool fits = (takes_none && arguments == 0) || (takes_one && arguments == 1) ||
                    (verb == "import" && arguments <= 1);
  if (!fits) return misused();
  Result<std::unique_ptr<CacheAccess>> cache = open_cache(options);
  if (!cache.ok()) return complain(options.listen.front(), cache.error());
  if (verb == "list") return list(*cache.value(), options);
  if (verb == "show") return show(*cache.value(), options, words[1]);
  if (verb == "purge") return purge(*cache.value(), words[1]);
  if (verb == "export") return write_out(*cache.value());
  return import_from(*cache.value(), arguments == 1 ? words[1] : "-");
}

}  // namespace qv
