// SPDX-License-Identifier: 0BSD
#include "probe/service.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/text.h"

namespace qv {

namespace {

constexpr std::string_view kInProgress = "Address verification in progress";
constexpr std::string_view kNoStore = "Address verification is not available now";
constexpr std::size_t kMaxRecent = 20000;
constexpr std::int64_t kPoll_us = kSecond_us / 5;  // between looks at what another host does

// What can be a key, a line of a listing and an SMTP command.
bool is_address(std::string_view address) {
  const std::size_t at = find_last_byte(address, '@');
  if (at == 0 || at + 1 >= address.size() || address.size() > kMaxCacheKey) return false;
  return std::all_of(address.begin(), address.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != '\x7f'; });
}

std::string describe(const ProbeResult& result) {
  const std::string& text = result.outcome.text;
  if (result.host.empty()) return safe_text(text);
  const bool said = traits_of(result.outcome.reason).said;
  return safe_text("host " + result.host + (said ? " said: " : ": ") + text);
}

// As the log calls it.
std::string_view result_word(RecipientStatus status) {
  if (status == RecipientStatus::ok) return "valid";
  return status == RecipientStatus::bounce ? "not-valid" : "undecided";
}

}  // namespace

VerifyService::VerifyService(Loop& loop, Clock clock, Records& records, ProbeDriver& driver,
                             const ServiceSettings& settings, Report report)
    : loop_(loop),
      clock_(std::move(clock)),
      records_(records),
      driver_(driver),
      settings_(settings),
      report_(std::move(report)),
      sweep_(loop.every(kRecent_s * kSecond_us, [this] {
        std::erase_if(recent_, [now_us = loop_.now_us()](const auto& entry) {
          return entry.second.until_us <= now_us;
        });
      })) {
  QV_CHECK(settings.accept_all == RecipientStatus::ok ||
           settings.accept_all == RecipientStatus::defer);
}

void VerifyService::finish(const Asked& asked, const VerifyAnswer& answer) {
  ++counters_.answered[answer.status];
  asked.done(answer);
}

const VerifyAnswer* VerifyService::find_known(std::string_view address) {
  if (!is_address(address)) return nullptr;
  cache_key(address, key_);
  if (find_recent(key_) != nullptr) return nullptr;
  if (records_.peek(key_, record_) == Records::Peek::not_known) return nullptr;
  const Judgement judgement = judge(&record_, clock_(), settings_.times);
  if (judgement.state != EntryState::fresh && judgement.state != EntryState::held) return nullptr;
  ++counters_.queries;
  ++counters_.answered[judgement.answer];
  known_.status = judgement.answer;
  known_.reason.swap(record_.text);
  return &known_;
}

void VerifyService::query(std::string_view address, std::int64_t wait_us, Done done) {
  ++counters_.queries;
  Asked asked{cache_key(address), std::string(address), wait_us, std::move(done)};
  if (!is_address(address)) {
    return finish(asked, {RecipientStatus::defer, "not an address that can be verified", "syntax"});
  }
  if (const VerifyAnswer* recent = find_recent(asked.key)) {
    // It may be forgotten while it is told.
    const VerifyAnswer answer = *recent;
    return finish(asked, answer);
  }
  const std::string key = asked.key;
  records_.find(key, [this, asked = std::move(asked)](const auto& found) mutable {
    judge_address(std::move(asked), found);
  });
}

void VerifyService::judge_address(Asked asked, const Result<std::optional<CacheRecord>>& found) {
  if (!found.ok()) {
    return finish(asked, {RecipientStatus::defer, std::string(kNoStore), "table-error"});
  }
  const std::optional<CacheRecord>& record = found.value();
  const Judgement judgement = judge(record ? &*record : nullptr, clock_(), settings_.times);
  switch (judgement.state) {
    case EntryState::stale:
      if (judgement.probe == Judgement::Probe::needed) refresh(asked, *record);
      return finish(asked, {judgement.answer, record->text});
    case EntryState::fresh:
    case EntryState::held:
      return finish(asked, {judgement.answer, record->text});
    case EntryState::absent:
    case EntryState::pending:
    case EntryState::lost:
      break;
  }
  judge_domain_of(std::move(asked), record, judgement);
}

void VerifyService::judge_domain_of(Asked asked, std::optional<CacheRecord> record,
                                    const Judgement& judgement) {
  const bool pending = judgement.state == EntryState::pending;
  const std::string key = domain_key(domain_of(asked.address));
  records_.find(key, [this, pending, asked = std::move(asked),
                      record = std::move(record)](const auto& found) mutable {
    const bool known = found.ok() && found.value().has_value();
    const AcceptAll domain =
        judge_domain(known ? &*found.value() : nullptr, clock_(), settings_.times);
    if (domain == AcceptAll::yes) return finish(asked, accept_all_answer());
    if (pending) return wait(std::move(asked));
    use_domain(std::move(asked), record, domain);
  });
}

// Nothing is known about the address, and its domain does not take everything.
void VerifyService::use_domain(Asked asked, const std::optional<CacheRecord>& record,
                               AcceptAll domain) {
  const std::optional<Route> route = routes_.find(domain_of(asked.address));
  if (!route) {
    return finish(
        asked, {RecipientStatus::defer,
                "nothing is known about this address, and its domain is not probed", "not-probed"});
  }
  const std::string key = asked.key;
  records_.lease(key, [this, asked = std::move(asked), record, domain,
                       route = *route](Records::Lease lease) mutable {
    if (lease == Records::Lease::none) {
      return finish(asked, {RecipientStatus::defer, std::string(kNoStore), "table-error"});
    }
    if (lease == Records::Lease::granted) {
      start_probe(asked.key, asked.address, route, record, domain);
    }
    wait(std::move(asked));
  });
}

// The answer is given; behind it the address is asked about again.
void VerifyService::refresh(const Asked& asked, const CacheRecord& record) {
  std::optional<Route> route = routes_.find(domain_of(asked.address));
  if (!route) return;
  ++counters_.refreshes;
  const std::string address = asked.address;
  records_.lease(asked.key,
                 [this, key = asked.key, address, record, route = std::move(*route)](auto lease) {
                   if (lease != Records::Lease::granted) return;
                   start_probe(key, address, route, record, AcceptAll::no);
                 });
}

void VerifyService::start_probe(const std::string& key, const std::string& address,
                                const Route& route, const std::optional<CacheRecord>& record,
                                AcceptAll domain) {
  CacheRecord sent;
  const CacheRecord* old = record ? &*record : nullptr;
  if (record_probe(old, clock_(), settings_.times, sent) == Storing::store) {
    records_.store(key, sent, sent.updated == 0 ? settings_.times.probe_lost : use_of(sent.status));
  }
  const bool check =
      domain == AcceptAll::unknown && settings_.domain_check == ProbeDriver::DomainCheck::yes;
  driver_.probe(address, route,
                check ? ProbeDriver::DomainCheck::yes : ProbeDriver::DomainCheck::no,
                [this, key, address, route](const ProbeResult& result) {
                  on_result(key, address, route, result);
                });
}

VerifyAnswer VerifyService::accept_all_answer() {
  ++counters_.accept_all;
  return {settings_.accept_all, "the next hop accepts every address of the domain", "accept-all"};
}

VerifyAnswer VerifyService::answer_of(const Route& route, const ProbeResult& result) {
  const bool about_address = result.outcome.reason == ProbeReason::recipient;
  if (about_address && result.outcome.status == RecipientStatus::ok &&
      result.accept_all == AcceptAll::yes) {
    return accept_all_answer();
  }
  if (route.backup_mx && result.reach == ProbeResult::Reach::all_down) {
    ++counters_.backup_mx;
    return {RecipientStatus::ok, "the primary is down: " + describe(result), "backup-mx"};
  }
  return {result.outcome.status, describe(result), traits_of(result.outcome.reason).why};
}

void VerifyService::on_result(const std::string& key, const std::string& address,
                              const Route& route, const ProbeResult& result) {
  const VerifyAnswer answer = answer_of(route, result);
  report_("probe", {{"result", result_word(answer.status)},
                    {"why", answer.why},
                    {"rcpt", address},
                    {"host", result.host},
                    {"text", result.outcome.text}});
  store_domain(address, result.accept_all);
  const bool about_address = result.outcome.reason == ProbeReason::recipient ||
                             result.outcome.reason == ProbeReason::not_askable;
  // Who waits is told when all hosts can be: he may ask another one next.
  Then then = [this, key, answer] {
    records_.end_lease(key, [this, key, answer] { tell_waiters(key, answer); });
  };
  // The record of a domain that accepts everything answers from now on: if it ever stops doing so,
  // no address is left that was only taken because all were.
  if (answer.why == "accept-all") return clear_probe(key, std::nullopt, std::move(then));
  if (about_address) return store_outcome(key, answer, std::move(then));
  clear_probe(key, answer, std::move(then));
}

void VerifyService::store_outcome(const std::string& key, const VerifyAnswer& answer, Then then) {
  records_.find(key, [this, key, answer,
                      then = std::move(then)](const Result<std::optional<CacheRecord>>& found) {
    CacheRecord record;
    const CacheRecord* old = found.ok() && found.value() ? &*found.value() : nullptr;
    const Storing storing =
        record_outcome(old, answer.status, answer.reason, clock_(), settings_.times, record);
    if (found.ok() && storing == Storing::store) {
      records_.store(key, record, use_of(record.status));
    } else if (found.ok() && !settings_.times.negative_cache) {
      keep_recent(key, answer);
    }
    then();
  });
}

void VerifyService::store_domain(const std::string& address, AcceptAll domain) {
  if (domain == AcceptAll::unknown) return;
  const bool all = domain == AcceptAll::yes;
  const CacheRecord record{all ? RecipientStatus::ok : RecipientStatus::bounce, 0, clock_(),
                           all ? "accepts every address" : "refuses unknown addresses"};
  records_.store(domain_key(domain_of(address)), record, settings_.times.accept_all);
}

// The probe has come to nothing.  An old answer stays, with the mark that a probe was sent: it is
// refreshed no sooner than after a lost probe.  Without one, `instead` is told for a moment.
void VerifyService::clear_probe(const std::string& key, std::optional<VerifyAnswer> instead,
                                Then then) {
  records_.find(key, [this, key, instead = std::move(instead),
                      then = std::move(then)](const Result<std::optional<CacheRecord>>& found) {
    const bool old_answer = found.ok() && found.value() && found.value()->updated != 0;
    if (found.ok() && found.value() && !old_answer) records_.erase(key);
    if (found.ok() && !old_answer && instead) keep_recent(key, *instead);
    then();
  });
}

std::int64_t VerifyService::use_of(RecipientStatus status) const {
  switch (status) {
    case RecipientStatus::ok:
      return settings_.times.positive_expire;
    case RecipientStatus::bounce:
      return settings_.times.negative_expire;
    case RecipientStatus::defer:
      return settings_.times.defer_hold;
    case RecipientStatus::todo:
      return settings_.times.probe_lost;
  }
  QV_CHECK(false);
}

VerifyService::Updated VerifyService::update(std::string_view address, RecipientStatus status,
                                             std::string_view reason) {
  if (!is_address(address)) return Updated::not_an_address;
  ++counters_.updates;
  const std::string key = cache_key(address);
  const VerifyAnswer answer{status, safe_text(reason)};
  recent_.erase(key);
  store_outcome(key, answer, [this, key, answer] { tell_waiters(key, answer); });
  return Updated::done;
}

void VerifyService::share(const std::string& key, std::string_view bytes) {
  CacheRecord record;
  if (parse_record(bytes, record) == RecordForm::whole) {
    records_.store(key, record, use_of(record.status));
  }
}

void VerifyService::forget_recent() {
  recent_.clear();
  driver_.hosts().clear();
}

void VerifyService::keep_recent(const std::string& key, const VerifyAnswer& answer) {
  if (recent_.size() >= kMaxRecent) recent_.clear();
  recent_[key] = {answer, loop_.now_us() + kRecent_s * kSecond_us};
}

const VerifyAnswer* VerifyService::find_recent(const std::string& key) {
  if (recent_.empty()) return nullptr;
  const auto recent = recent_.find(key);
  if (recent == recent_.end() || recent->second.until_us <= loop_.now_us()) return nullptr;
  return &recent->second.answer;
}

void VerifyService::wait(Asked asked) {
  const VerifyAnswer pending{RecipientStatus::todo, std::string(kInProgress), "probe-pending"};
  if (asked.wait_us <= 0) return finish(asked, pending);
  const std::string key = asked.key;
  if (!driver_.is_probing(key) && asked.wait_us > kPoll_us) return look_again(std::move(asked));
  const std::uint64_t number = next_waiter_++;
  Loop::Owned timer = loop_.after(asked.wait_us, [this, key, number, pending] {
    auto& list = waiters_[key];
    const auto waiter = std::find_if(list.begin(), list.end(),
                                     [number](const Waiter& one) { return one.number == number; });
    QV_CHECK(waiter != list.end());
    const Done done = std::move(waiter->done);
    list.erase(waiter);
    if (list.empty()) waiters_.erase(key);
    finish({key, key, 0, done}, pending);
  });
  waiters_[key].push_back({number, std::move(asked.done), std::move(timer)});
}

// Another host is at it: it will not tell us.
void VerifyService::look_again(Asked asked) {
  asked.wait_us -= kPoll_us;
  const std::uint64_t number = next_waiter_++;
  polls_[number] = loop_.after(kPoll_us, [this, number, asked = std::move(asked)] {
    polls_.erase(number);
    --counters_.queries;
    query(asked.address, asked.wait_us, asked.done);
  });
}

void VerifyService::tell_waiters(const std::string& key, const VerifyAnswer& answer) {
  const auto entry = waiters_.find(key);
  if (entry == waiters_.end()) return;
  const std::list<Waiter> told = std::move(entry->second);
  waiters_.erase(entry);
  for (const Waiter& waiter : told) finish({key, key, 0, waiter.done}, answer);
}

}  // namespace qv
