// SPDX-License-Identifier: 0BSD
#include "probe/client.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "cache/record.h"
#include "core/text.h"
#include "wire/address_verify.h"

namespace qv::probe {

namespace {

constexpr std::uint32_t kMaxWait_ms = 60000;

// (uid_t)-1, which no process has: unknown.
uid_t peer_of(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  const bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid != 0;
  return known ? peer.uid : static_cast<uid_t>(-1);
}

// The store takes a bounded number of changes before a flush.
template <class Change>
auto change_or_flush(cache::CacheStore& store, const Change& change) {
  auto changed = change();
  if (!changed.ok() && store.flush().ok()) changed = change();
  return changed;
}

}  // namespace

Result<std::uint32_t> purge_store(cache::CacheStore& store, std::string_view what) {
  const std::string wanted = cache::cache_key(what);
  std::vector<std::string> keys;
  if (find_byte(wanted, '@') < wanted.size()) {
    keys.push_back(wanted);
  } else {
    QV_TRY_VOID(store.walk({}, [&](std::string_view key, std::string_view) {
      if (what == "--all" || cache::domain_of(key) == wanted) keys.emplace_back(key);
      return cache::CacheStore::Walk::go_on;
    }));
  }
  std::uint32_t count = 0;
  for (const std::string& key : keys) {
    QV_TRY(const maps::Answer erased, change_or_flush(store, [&] { return store.erase(key); }));
    if (erased == maps::Answer::found) ++count;
  }
  return count;
}

VerifyClient::VerifyClient(VerifyClients& clients, event::Stream& stream)
    : clients_(clients),
      stream_(stream),
      decoder_(wire::AttributeLimits{.message = kMaxMessage, .name = 64}),
      uid_(peer_of(stream.fd())) {
  std::string greeting;
  wire::append_attribute(greeting, "protocol", wire::address_verify::kProtocol);
  wire::end_attributes(greeting);
  stream.write(greeting);
}

std::size_t VerifyClient::on_input(event::Stream& /*stream*/, std::string_view input) {
  static constexpr std::pair<std::string_view, Handler> kRequests[] = {
      {"query", &VerifyClient::on_query},
      {"update", &VerifyClient::on_update},
      {"list", &VerifyClient::on_list},
      {"put", &VerifyClient::on_put},
      {"purge", &VerifyClient::on_purge}};
  const wire::Frame frame = decoder_.scan(input);
  if (frame == wire::Frame::partial) return 0;
  const std::size_t size = frame == wire::Frame::whole ? decoder_.size() : input.size();
  message_ = first_bytes(input, size);
  Handler handler = nullptr;
  wire::AttributeReader reader(decoder_, message_);
  if (frame == wire::Frame::whole) {
    const std::string_view request = reader.text("request");
    for (const auto& [name, its_handler] : kRequests) {
      if (name == request) handler = its_handler;
    }
  }
  if (handler == nullptr) {
    reply_bad();
  } else {
    (this->*handler)(reader);
  }
  decoder_.reset();
  return size;
}

void VerifyClient::reply(std::uint32_t status, std::initializer_list<wire::Attribute> more) {
  std::string& out = clients_.reply;
  out.clear();
  wire::append_attribute(out, "status", status);
  for (const wire::Attribute& attribute : more)
    wire::append_attribute(out, attribute.name, attribute.value);
  wire::end_attributes(out);
  stream_.write(out);
}

void VerifyClient::reply_answer(const VerifyAnswer& answer, bool with_why) {
  const char digit = static_cast<char>('0' + static_cast<int>(answer.status));
  const wire::Attribute status{"recipient_status", {&digit, 1}};
  const wire::Attribute reason{"reason", answer.reason};
  if (!with_why) return reply(kVerifyOk, {status, reason});
  reply(kVerifyOk, {status, reason, {"why", answer.why}});
}

void VerifyClient::on_query(wire::AttributeReader& reader) {
  const std::string_view address = reader.text("address");
  const bool waits = reader.next_is("wait");
  const std::uint32_t wait_ms = waits ? std::min(reader.number("wait"), kMaxWait_ms) : 0;
  if (!reader.done()) return reply_bad();
  if (const VerifyAnswer* known = clients_.service.find_known(address)) {
    return reply_answer(*known, waits);
  }
  const std::weak_ptr<int> alive = alive_;
  answered_ = false;
  clients_.service.query(address, std::int64_t{wait_ms} * 1000,
                         [this, alive, waits](const VerifyAnswer& answer) {
                           if (alive.expired()) return;
                           answered_ = true;
                           reply_answer(answer, waits);
                           stream_.resume();
                         });
  // The next request waits for this answer.
  if (!answered_) stream_.pause();
}

void VerifyClient::on_update(wire::AttributeReader& reader) {
  const std::string_view address = reader.text("address");
  const std::uint32_t number = reader.number("recipient_status");
  const std::string_view reason = reader.text("reason");
  cache::RecipientStatus status{};
  if (!reader.done() || !cache::status_from_number(number, status) ||
      status == cache::RecipientStatus::todo) {
    return reply_bad();
  }
  if (!may("update")) return;
  const auto updated = clients_.service.update(address, status, reason);
  reply(updated == ProbeService::Updated::done ? kVerifyOk : kVerifyFail);
}

void VerifyClient::on_list(wire::AttributeReader& reader) {
  const std::string_view after = reader.text("after");
  const std::size_t limit = std::min<std::size_t>(reader.number("limit"), kMaxEntries);
  if (!reader.done() || limit == 0) return reply_bad();
  if (!may("list")) return;
  std::string entries;
  std::uint32_t count = 0;
  const Result<void> walked =
      clients_.store.walk(after, [&](std::string_view key, std::string_view record) {
        entries.append(key).append("\t").append(record).append("\n");
        return ++count == limit ? cache::CacheStore::Walk::stop : cache::CacheStore::Walk::go_on;
      });
  if (!walked.ok()) return reply(kVerifyFail);
  reply(kVerifyOk, {{"count", std::to_string(count)}, {"entries", entries}});
}

void VerifyClient::on_put(wire::AttributeReader& reader) {
  const std::string_view key = reader.text("key");
  const std::string_view record = reader.text("record");
  if (!reader.done()) return reply_bad();
  if (!may("put")) return;
  cache::CacheRecord parsed;
  if (!cache::is_cache_key(key) ||
      cache::parse_record(record, parsed) == cache::RecordForm::damaged) {
    return reply(kVerifyFail);
  }
  const std::string folded = cache::cache_key(key);
  const Result<void> stored =
      change_or_flush(clients_.store, [&] { return clients_.store.put(folded, record); });
  if (stored.ok()) clients_.service.store(folded, parsed);
  reply(stored.ok() ? kVerifyOk : kVerifyFail);
}

void VerifyClient::on_purge(wire::AttributeReader& reader) {
  const std::string_view what = reader.text("what");
  if (!reader.done() || what.empty()) return reply_bad();
  if (!may("purge")) return;
  const Result<std::uint32_t> purged = purge_store(clients_.store, what);
  clients_.records.purge(what);
  clients_.service.forget_recent();
  if (!purged.ok()) return reply(kVerifyFail);
  process::LogLine line("purge");
  clients_.report(line.add("what", what).add("entries", purged.value()));
  reply(kVerifyOk, {{"count", std::to_string(purged.value())}});
}

bool VerifyClient::may(std::string_view request) {
  if (uid_ == 0 || uid_ == geteuid() || clients_.may_update.contains(uid_)) return true;
  process::LogLine line("client");
  line.add("event", "denied").add("request", request).add("uid", uid_);
  clients_.report(line.add("allow", "control/probe_update_users"));
  reply(kVerifyFail);
  return false;
}

void VerifyClient::reply_bad() {
  process::LogLine line("client");
  line.add("event", "bad-request").add("uid", uid_);
  clients_.report(line.add("message", first_bytes(message_, 200)));
  reply(kVerifyBad);
  stream_.close();
}

}  // namespace qv::probe
