// SPDX-License-Identifier: 0BSD
#include "probe/service.h"

#include <utility>
#include <vector>

#include "core/check.h"
#include "core/text.h"

namespace qv::probe {

namespace {

constexpr std::size_t kMaxRecent = 20000;
constexpr std::int64_t kPoll_us = kSecond_us / 5;  // between looks for another host's outcome

bool is_address(std::string_view address) {
  const std::size_t at = find_last_byte(address, '@');
  return at != 0 && at + 1 < address.size() && cache::is_cache_key(address);
}

const cache::CacheRecord* get(const Records::Entry& entry) { return entry ? &*entry : nullptr; }

std::string describe(const ProbeResult& result) {
  const std::string& text = result.outcome.text;
  if (result.host.empty()) return cache::safe_text(text);
  const bool said = traits_of(result.outcome.reason).said;
  return cache::safe_text("host " + result.host + (said ? " said: " : ": ") + text);
}

// By RecipientStatus.
constexpr std::string_view kResultWords[] = {"valid", "undecided", "not-valid", "undecided"};

VerifyAnswer no_store_answer() {
  return {cache::RecipientStatus::defer, "Address verification is not available now",
          "table-error"};
}

VerifyAnswer pending_answer() {
  return {cache::RecipientStatus::todo, "Address verification in progress", "probe-pending"};
}

}  // namespace

ProbeService::ProbeService(event::Loop& loop, Clock clock, Records& records, ProbeDriver& driver,
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
  QV_CHECK(settings.accept_all == cache::RecipientStatus::ok ||
           settings.accept_all == cache::RecipientStatus::defer);
}

void ProbeService::finish(const Question& asked, const VerifyAnswer& answer) {
  ++counters_.answered[answer.status];
  asked.done(answer);
}

const VerifyAnswer* ProbeService::find_known(std::string_view address) {
  if (!is_address(address)) return nullptr;
  cache::cache_key(address, key_);
  if (find_recent(key_) != nullptr) return nullptr;
  if (!records_.find_at_once(key_, record_)) return nullptr;
  const cache::Judgement judgement = cache::judge(&record_, clock_(), settings_.times);
  if (judgement.state != cache::EntryState::fresh && judgement.state != cache::EntryState::held)
    return nullptr;
  ++counters_.queries;
  ++counters_.answered[judgement.answer];
  known_.status = judgement.answer;
  known_.reason.swap(record_.text);
  return &known_;
}

void ProbeService::query(std::string_view address, std::int64_t wait_us, Done done) {
  ++counters_.queries;
  const Asked asked = std::make_shared<Question>(
      Question{cache::cache_key(address), std::string(address), wait_us, std::move(done)});
  if (!is_address(address)) {
    return finish(*asked,
                  {cache::RecipientStatus::defer, "not an address that can be verified", "syntax"});
  }
  if (const VerifyAnswer* recent = find_recent(asked->key)) {
    // The callback may drop it.
    const VerifyAnswer answer = *recent;
    return finish(*asked, answer);
  }
  records_.find(asked->key, [this, asked](const auto& found) { judge_address(asked, found); });
}

void ProbeService::judge_address(const Asked& asked, const Result<Records::Entry>& found) {
  if (!found.ok()) return finish(*asked, no_store_answer());
  asked->record = found.value();
  const cache::Judgement judgement = cache::judge(get(asked->record), clock_(), settings_.times);
  if (judgement.answer != cache::RecipientStatus::todo) {
    if (judgement.probe == cache::Judgement::Probe::needed) refresh(asked);
    return finish(*asked, {judgement.answer, asked->record->text});
  }
  const bool pending = judgement.state == cache::EntryState::pending;
  records_.find(cache::domain_key(cache::domain_of(asked->address)),
                [this, asked, pending](const auto& entry) {
                  const cache::AcceptAll domain = cache::judge_domain(
                      entry.ok() ? get(entry.value()) : nullptr, clock_(), settings_.times);
                  if (domain == cache::AcceptAll::yes) return finish(*asked, accept_all_answer());
                  if (pending) return wait(asked);
                  begin_probe(asked, domain);
                });
}

// Nothing is known about the address, and its domain does not accept everything.
void ProbeService::begin_probe(const Asked& asked, cache::AcceptAll domain) {
  const std::optional<Route> route = routes_.find(cache::domain_of(asked->address));
  if (!route) {
    return finish(*asked, {cache::RecipientStatus::defer,
                           "nothing is known about this address, and its domain is not probed",
                           "not-probed"});
  }
  records_.lease(asked->key, [this, asked, domain, route = *route](Records::Lease lease) {
    if (lease == Records::Lease::none) return finish(*asked, no_store_answer());
    if (lease == Records::Lease::granted) start_probe(asked, route, domain);
    wait(asked);
  });
}

// A probe behind an answer that is given.
void ProbeService::refresh(const Asked& asked) {
  const std::optional<Route> route = routes_.find(cache::domain_of(asked->address));
  if (!route) return;
  ++counters_.refreshes;
  records_.lease(asked->key, [this, asked, route = *route](Records::Lease lease) {
    if (lease == Records::Lease::granted) start_probe(asked, route, cache::AcceptAll::no);
  });
}

void ProbeService::start_probe(const Asked& asked, const Route& route, cache::AcceptAll domain) {
  const Records::Entry sent = cache::record_probe(get(asked->record), clock_(), settings_.times);
  if (sent) store(asked->key, *sent);
  const auto check =
      domain == cache::AcceptAll::unknown ? settings_.domain_check : ProbeDriver::DomainCheck::no;
  driver_.probe(asked->address, route, check, [this, asked, route](const ProbeResult& result) {
    on_result(*asked, route, result);
  });
}

VerifyAnswer ProbeService::accept_all_answer() {
  ++counters_.accept_all;
  return {settings_.accept_all, "the next hop accepts every address of the domain", "accept-all"};
}

VerifyAnswer ProbeService::answer_of(const Route& route, const ProbeResult& result) {
  const bool about_address = result.outcome.reason == ProbeReason::recipient;
  if (about_address && result.outcome.status == cache::RecipientStatus::ok &&
      result.accept_all == cache::AcceptAll::yes) {
    return accept_all_answer();
  }
  if (route.backup_mx && result.reach == ProbeResult::Reach::all_down) {
    ++counters_.backup_mx;
    return {cache::RecipientStatus::ok, "the primary is down: " + describe(result), "backup-mx"};
  }
  return {result.outcome.status, describe(result), traits_of(result.outcome.reason).why};
}

void ProbeService::on_result(const Question& asked, const Route& route, const ProbeResult& result) {
  const VerifyAnswer answer = answer_of(route, result);
  process::LogLine line("probe");
  line.add("result", kResultWords[static_cast<std::size_t>(answer.status)]);
  line.add("why", answer.why).add("rcpt", asked.address);
  if (!result.host.empty()) line.add("host", result.host);
  if (!result.outcome.text.empty()) line.add("text", result.outcome.text);
  report_(line);
  store_domain(asked.address, result.accept_all);
  const ProbeReason reason = result.outcome.reason;
  Use use = Use::retain;
  if (reason == ProbeReason::recipient || reason == ProbeReason::not_askable) use = Use::store;
  // The domain's record answers from now on.  If the domain ever stops accepting everything, no
  // address is left that was accepted only because all were.
  if (answer.why == "accept-all") use = Use::drop;
  // Clients get the answer when all hosts can: the next question may go to another host.
  settle(asked.key, answer, use, [this, key = asked.key, answer] {
    records_.end_lease(key, [this, key, answer] { answer_waiters(key, answer); });
  });
}

void ProbeService::settle(const std::string& key, const VerifyAnswer& answer, Use use,
                          Records::Then then) {
  records_.find(key, [this, key, answer, use, then = std::move(then)](const auto& found) {
    if (found.ok()) use_outcome(key, answer, use, found.value());
    then();
  });
}

void ProbeService::use_outcome(const std::string& key, const VerifyAnswer& answer, Use use,
                               const Records::Entry& old) {
  if (use == Use::store) {
    const Records::Entry record =
        cache::record_outcome(get(old), answer.status, answer.reason, clock_(), settings_.times);
    if (record) return store(key, *record);
    if (!settings_.times.negative_cache) retain(key, answer);
    return;
  }
  // An old answer stays, with the time of this probe: the next one waits until this would be lost.
  if (old && old->updated != 0) return;
  if (old) records_.erase(key);
  if (use == Use::retain) retain(key, answer);
}

void ProbeService::store_domain(const std::string& address, cache::AcceptAll domain) {
  if (domain == cache::AcceptAll::unknown) return;
  const bool all = domain == cache::AcceptAll::yes;
  const cache::CacheRecord record{all ? cache::RecipientStatus::ok : cache::RecipientStatus::bounce,
                                  0, clock_(),
                                  all ? "accepts every address" : "refuses unknown addresses"};
  records_.store(cache::domain_key(cache::domain_of(address)), record, settings_.times.accept_all);
}

void ProbeService::store(const std::string& key, const cache::CacheRecord& record) {
  const cache::CacheTimes& times = settings_.times;
  // In the order of RecipientStatus.
  const std::int64_t lifetimes[] = {times.positive_expire, times.defer_hold, times.negative_expire,
                                    times.probe_lost};
  records_.store(key, record, lifetimes[static_cast<std::size_t>(record.status)]);
}

ProbeService::Updated ProbeService::update(std::string_view address, cache::RecipientStatus status,
                                           std::string_view reason) {
  if (!is_address(address)) return Updated::not_an_address;
  ++counters_.updates;
  const std::string key = cache::cache_key(address);
  const VerifyAnswer answer{status, cache::safe_text(reason)};
  recent_.erase(key);
  settle(key, answer, Use::store, [this, key, answer] { answer_waiters(key, answer); });
  return Updated::done;
}

void ProbeService::forget_recent() {
  recent_.clear();
  driver_.hosts().clear();
}

void ProbeService::retain(const std::string& key, const VerifyAnswer& answer) {
  if (recent_.size() >= kMaxRecent) recent_.clear();
  recent_[key] = {answer, loop_.now_us() + kRecent_s * kSecond_us};
}

const VerifyAnswer* ProbeService::find_recent(const std::string& key) {
  if (recent_.empty()) return nullptr;
  const auto recent = recent_.find(key);
  if (recent == recent_.end() || recent->second.until_us <= loop_.now_us()) return nullptr;
  return &recent->second.answer;
}

// Until the probe of this host has an outcome.  The outcome of another host's probe can only be
// seen in the records, so the question is asked again and again.
void ProbeService::wait(const Asked& asked) {
  if (asked->wait_us <= 0) return finish(*asked, pending_answer());
  const bool polls = !driver_.is_probing(asked->key) && asked->wait_us > kPoll_us;
  const auto waiter = waiters_.emplace(asked->key, Waiter{asked, nullptr});
  waiter->second.timer = loop_.after(polls ? kPoll_us : asked->wait_us, [this, waiter, polls] {
    const auto ended = waiters_.extract(waiter);
    const Question& question = *ended.mapped().asked;
    if (!polls) return finish(question, pending_answer());
    --counters_.queries;
    query(question.address, question.wait_us - kPoll_us, question.done);
  });
}

void ProbeService::answer_waiters(const std::string& key, const VerifyAnswer& answer) {
  const auto [first, last] = waiters_.equal_range(key);
  std::vector<Asked> answered;
  for (auto waiter = first; waiter != last; ++waiter) answered.push_back(waiter->second.asked);
  waiters_.erase(first, last);
  for (const Asked& asked : answered) finish(*asked, answer);
}

}  // namespace qv::probe
