// SPDX-License-Identifier: 0BSD
#include "probe/client.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "cache/record.h"
#include "core/text.h"
#include "wire/address_verify.h"

namespace qv {

namespace {

constexpr std::uint32_t kMaxWait_ms = 60000;

// uid_t of nobody: (uid_t)-1, which no process has.
uid_t peer_of(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  const bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid != 0;
  return known ? peer.uid : static_cast<uid_t>(-1);
}

void reply_status(Stream& stream, std::uint32_t status) {
  std::string out;
  append_attribute(out, "status", status);
  end_attributes(out);
  stream.write(out);
}

void reply_count(Stream& stream, std::uint32_t count) {
  std::string out;
  append_attribute(out, "status", kVerifyOk);
  append_attribute(out, "count", count);
  end_attributes(out);
  stream.write(out);
}

enum class Form : std::uint8_t { postfix, with_why };

// `out`: memory to write in.
void reply_answer(Stream& stream, const VerifyAnswer& answer, Form form, std::string& out) {
  out.clear();
  append_attribute(out, "status", kVerifyOk);
  append_attribute(out, "recipient_status", static_cast<std::uint32_t>(answer.status));
  append_attribute(out, "reason", answer.reason);
  if (form == Form::with_why) append_attribute(out, "why", answer.why);
  end_attributes(out);
  stream.write(out);
}

}  // namespace

bool is_entry(std::string_view key, std::string_view record) {
  CacheRecord parsed;
  if (key.empty() || key.size() > kMaxCacheKey || find_byte(key, '@') == key.size()) return false;
  const bool clean = std::all_of(key.begin(), key.end(), [](char c) {
    return static_cast<unsigned char>(c) >= ' ' && c != '\x7f';
  });
  return clean && parse_record(record, parsed) == RecordForm::whole;
}

Result<std::uint32_t> purge_store(CacheStore& store, std::string_view what) {
  const std::string wanted = cache_key(what);
  const bool all = what == "--all";
  const bool one = !all && find_byte(wanted, '@') < wanted.size();
  if (one) {
    QV_TRY(const Answer erased, store.erase(wanted));
    return erased == Answer::found ? std::uint32_t{1} : std::uint32_t{0};
  }
  std::vector<std::string> keys;
  QV_TRY_VOID(store.walk({}, [&](std::string_view key, std::string_view) {
    if (all || domain_of(key) == wanted) keys.emplace_back(key);
    return CacheStore::Walk::go_on;
  }));
  std::uint32_t count = 0;
  for (const std::string& key : keys) {
    Result<Answer> erased = store.erase(key);
    // The store takes a bounded number of changes at a time.
    if (!erased.ok()) {
      QV_TRY_VOID(store.flush());
      erased = store.erase(key);
    }
    if (!erased.ok()) return erased.error();
    ++count;
  }
  return count;
}

VerifyClient::VerifyClient(VerifyClients& clients, Stream& stream)
    : clients_(clients),
      decoder_(AttributeLimits{.message = kMaxMessage, .name = 64}),
      uid_(peer_of(stream.fd())) {
  std::string greeting;
  append_attribute(greeting, "protocol", address_verify::kProtocol);
  end_attributes(greeting);
  stream.write(greeting);
}

bool VerifyClient::may_update() const {
  return uid_ == 0 || uid_ == geteuid() || clients_.may_update.contains(uid_);
}

std::size_t VerifyClient::on_input(Stream& stream, std::string_view input) {
  switch (decoder_.scan(input)) {
    case Frame::partial:
      return 0;
    case Frame::malformed:
      bad(stream, input);
      return input.size();
    case Frame::whole:
      break;
  }
  const std::size_t size = decoder_.size();
  handle(stream, first_bytes(input, size));
  decoder_.reset();
  return size;
}

void VerifyClient::handle(Stream& stream, std::string_view message) {
  message_ = message;
  AttributeReader reader(decoder_, message);
  const std::string_view request = reader.text("request");
  if (request == "query") return on_query(stream, reader);
  if (request == "update") return on_update(stream, reader);
  if (request == "list") return on_list(stream, reader);
  if (request == "put") return on_put(stream, reader);
  if (request == "purge") return on_purge(stream, reader);
  bad(stream, message);
}

void VerifyClient::on_query(Stream& stream, AttributeReader& reader) {
  const std::string_view address = reader.text("address");
  const Form form = reader.next_is("wait") ? Form::with_why : Form::postfix;
  const std::uint32_t wait_ms =
      form == Form::with_why ? std::min(reader.number("wait"), kMaxWait_ms) : 0;
  if (!reader.done()) return bad(stream, message_);
  if (const VerifyAnswer* known = clients_.service.find_known(address)) {
    return reply_answer(stream, *known, form, clients_.reply);
  }
  const std::weak_ptr<int> alive = alive_;
  answered_ = false;
  clients_.service.query(address, std::int64_t{wait_ms} * 1000,
                         [this, &stream, alive, form](const VerifyAnswer& answer) {
                           if (alive.expired()) return;
                           answered_ = true;
                           reply_answer(stream, answer, form, clients_.reply);
                           stream.resume();
                         });
  // The next request is read when this one is answered.
  if (!answered_) stream.pause();
}

void VerifyClient::on_update(Stream& stream, AttributeReader& reader) {
  const std::string_view address = reader.text("address");
  const std::uint32_t number = reader.number("recipient_status");
  const std::string_view reason = reader.text("reason");
  RecipientStatus status{};
  if (!reader.done() || !status_from_number(number, status) || status == RecipientStatus::todo) {
    return bad(stream, message_);
  }
  if (!may_update()) return refuse(stream, "update");
  const auto updated = clients_.service.update(address, status, reason);
  reply_status(stream, updated == VerifyService::Updated::done ? kVerifyOk : kVerifyFail);
}

void VerifyClient::on_list(Stream& stream, AttributeReader& reader) {
  const std::string_view after = reader.text("after");
  const std::size_t limit = std::min<std::size_t>(reader.number("limit"), kMaxEntries);
  if (!reader.done() || limit == 0) return bad(stream, message_);
  if (!may_update()) return refuse(stream, "list");
  std::string entries;
  std::uint32_t count = 0;
  const Result<void> walked =
      clients_.store.walk(after, [&](std::string_view key, std::string_view record) {
        entries.append(key).append("\t").append(record).append("\n");
        return ++count == limit ? CacheStore::Walk::stop : CacheStore::Walk::go_on;
      });
  if (!walked.ok()) return reply_status(stream, kVerifyFail);
  std::string out;
  append_attribute(out, "status", kVerifyOk);
  append_attribute(out, "count", count);
  append_attribute(out, "entries", entries);
  end_attributes(out);
  stream.write(out);
}

void VerifyClient::on_put(Stream& stream, AttributeReader& reader) {
  const std::string_view key = reader.text("key");
  const std::string_view record = reader.text("record");
  if (!reader.done()) return bad(stream, message_);
  if (!may_update()) return refuse(stream, "put");
  if (!is_entry(key, record)) return reply_status(stream, kVerifyFail);
  const std::string folded = cache_key(key);
  Result<void> stored = clients_.store.put(folded, record);
  if (!stored.ok() && clients_.store.flush().ok()) stored = clients_.store.put(folded, record);
  if (stored.ok()) clients_.service.share(folded, record);
  reply_status(stream, stored.ok() ? kVerifyOk : kVerifyFail);
}

void VerifyClient::on_purge(Stream& stream, AttributeReader& reader) {
  const std::string what(reader.text("what"));
  if (!reader.done() || what.empty()) return bad(stream, message_);
  if (!may_update()) return refuse(stream, "purge");
  const Result<std::uint32_t> purged = purge_store(clients_.store, what);
  clients_.records.purge(what);
  clients_.service.forget_recent();
  if (!purged.ok()) return reply_status(stream, kVerifyFail);
  clients_.report("purge", {{"what", what}, {"entries", std::to_string(purged.value())}});
  reply_count(stream, purged.value());
}

void VerifyClient::refuse(Stream& stream, std::string_view request) {
  const std::string uid = std::to_string(uid_);
  clients_.report("client", {{"event", "denied"},
                             {"request", request},
                             {"uid", uid},
                             {"allow", "control/probe_update_users"}});
  reply_status(stream, kVerifyFail);
}

void VerifyClient::bad(Stream& stream, std::string_view message) {
  const std::string uid = std::to_string(uid_);
  clients_.report("client",
                  {{"event", "bad-request"}, {"uid", uid}, {"message", first_bytes(message, 200)}});
  reply_status(stream, kVerifyBad);
  stream.close();
}

}  // namespace qv
