// SPDX-License-Identifier: 0BSD
#include "verify/verifier.h"

#include <algorithm>
#include <utility>

#include "core/text.h"

namespace qv::verify {

namespace {

constexpr std::int64_t kSweepUs = 500000;

}  // namespace

rcpt::Decision decided_without_looking(rcpt::Why why) {
  rcpt::Decision decision;
  decision.why = why;
  return decision;
}

const VerdictNames& names_of(rcpt::Verdict verdict) {
  using wire::datagram::Result;
  // By Verdict.
  static constexpr VerdictNames kNames[] = {
      {"valid", Result::valid, &VerifyCounters::valid},
      {"not-valid", Result::not_valid, &VerifyCounters::not_valid},
      {"undecided", Result::undecided, &VerifyCounters::undecided},
  };
  return kNames[static_cast<std::size_t>(verdict)];
}

VerifierReports reports_to_log(process::LogWriter& log) {
  return {[&log](const control::Problem& problem) {
            process::LogLine line("config");
            log.write(line.add(problem));
          },
          [&log](std::string_view text) {
            process::LogLine line("table");
            log.write(line.add("notice", text));
          }};
}

Verifier::Verifier(event::Loop& loop, const Options& options, agent::Pool& pool,
                   process::LogWriter& log, VerifierReports reports, PasswdPaths paths)
    : loop_(loop),
      options_(options),
      log_(log),
      reports_(std::move(reports)),
      config_(options.qmailhome, reports_.clock),
      users_(options.qmailhome + "/users/cdb"),
      lookups_(loop, pool, options.cache_ttl_us,
               [this](std::uint32_t number) { decide_again(number); }),
      homes_(lookups_),
      passwd_(lookups_, std::move(paths)),
      tables_(loop, lookups_,
              {options.proxymap, options.look_timeout_us, reports_.table, maps::MapClock()}),
      next_hops_(lookups_, loop, options.next_hops),
      sweep_(loop.every(kSweepUs, [this] {
        give_up_overdue();
        refresh(loop_.now_us());
      })) {
  if (!options.fastforward_cdb.empty()) fastforward_.emplace(options.fastforward_cdb);
}

rcpt::CdbPrefetch Verifier::prefetch(std::string_view address) const {
  const rcpt::VerifyMaps& maps = config_.config().verifymaps;
  if (!maps.is_unused()) {
    const std::optional<rcpt::CdbPrefetch> table = tables_.prefetch(maps, address);
    if (table) return *table;
  }
  // Most addresses are looked up by their local part.
  return users_.prefetch(first_bytes(address, find_last_byte(address, '@')));
}

rcpt::Decision Verifier::decide(std::string_view address, std::int64_t asked_at_us,
                                rcpt::Explanation* explanation) {
  lookups_.begin(asked_at_us);
  const rcpt::DecisionInputs inputs{config_.config(), users_, *this,
                                    fastforward_ ? &*fastforward_ : nullptr, options_.dotqmail};
  rcpt::Decision decision = rcpt::decide(address, inputs, explanation);
  if (decision.pending) decision.waits_for = lookups_.waits_for();
  return decision;
}

Verifier::Parked Verifier::refuse(rcpt::Decision& decision) {
  ++counters_.no_room;
  decision = decided_without_looking(rcpt::Why::timeout);
  return Parked::no_room;
}

Verifier::Parked Verifier::wait(std::uint32_t number, rcpt::Decision& decision) {
  auto& lookup = static_cast<PendingLookup&>(*decision.waits_for);
  std::size_t& taken = lanes_[lookup.lane];
  if (taken == kMaxParkedPerLane) return refuse(decision);
  ++taken;
  places_[number].lane = lookup.lane;
  lookup.waiting.push_back(number);
  return Parked::yes;
}

Verifier::Parked Verifier::park(rcpt::Decision& decision, ParkedQuery query) {
  if (free_.empty() && places_.size() < kMaxParked) {
    free_.push_back(static_cast<std::uint32_t>(places_.size()));
    places_.emplace_back();
  }
  if (free_.empty()) return refuse(decision);
  const std::uint32_t number = free_.back();
  if (wait(number, decision) == Parked::no_room) return Parked::no_room;
  ++counters_.waited;
  free_.pop_back();
  query.lane = places_[number].lane;
  places_[number] = std::move(query);
  return Parked::yes;
}

// The completion may read the next query, and park it: `places_` may move.
void Verifier::complete(ParkedQuery& query, const rcpt::Decision& decision) {
  const auto done = std::exchange(query.done, nullptr);
  done(decision);
}

void Verifier::decide_again(std::uint32_t number) {
  ParkedQuery& query = places_[number];
  const auto lane = lanes_.find(query.lane);
  if (--lane->second == 0) lanes_.erase(lane);
  if (query.done) {
    rcpt::Decision decision = decide(query.address, query.asked_at_us, query.explanation);
    if (decision.pending && wait(number, decision) == Parked::yes) return;
    complete(query, decision);
  }
  free_.push_back(number);
}

// A query that is given up occupies its place until the look-up that it waits for has ended.
void Verifier::give_up_overdue() {
  const std::int64_t now = loop_.now_us();
  for (std::size_t i = 0; i < places_.size(); ++i) {
    ParkedQuery& query = places_[i];
    if (!query.done || now - query.asked_at_us < kMaxParkedUs) continue;
    ++counters_.overdue;
    complete(query, decided_without_looking(rcpt::Why::timeout));
  }
}

std::size_t Verifier::parked() const {
  return static_cast<std::size_t>(std::count_if(
      places_.begin(), places_.end(), [](const ParkedQuery& query) { return bool{query.done}; }));
}

void Verifier::record(const Asked& asked, const rcpt::Decision& decision, std::string_view told) {
  const rcpt::Verdict verdict = decision.verdict();
  const VerdictNames& names = names_of(verdict);
  ++(counters_.*names.counter);
  if (options_.log == LogWhat::none) return;
  if (options_.log == LogWhat::reject && verdict == rcpt::Verdict::accept) return;
  process::LogLine line("verify");
  line.add("result", names.word).add("why", rcpt::why_word(decision.why));
  line.add("rcpt", asked.address);
  if (!decision.user.empty()) line.add("user", decision.user.view());
  if (!asked.client.empty()) line.add("client", asked.client);
  line.add("pos", decision.position).add("us", loop_.now_us() - asked.at_us);
  if (!told.empty()) line.add("told", told);
  if (!asked.via.empty()) line.add("via", asked.via);
  if (!asked.helo.empty()) line.add("helo", asked.helo);
  if (!asked.sender.empty()) line.add("sender", asked.sender);
  log_.write(line);
}

void Verifier::reload() {
  config_.force();
  users_.force();
  if (fastforward_) fastforward_->force();
  homes_.forget();
  passwd_.forget();
  tables_.forget();
  next_hops_.forget();
  refresh(loop_.now_us());
  log_.flush();
}

void Verifier::refresh(std::int64_t now_us) {
  std::vector<control::Problem> problems;
  const control::Change change = config_.refresh(now_us, problems);
  users_.refresh(now_us, problems);
  if (fastforward_) fastforward_->refresh(now_us, problems);
  if (change == control::Change::changed) tables_.retain(config_.config().verifymaps.named);
  for (const control::Problem& problem : problems) reports_.problem(problem);
}

}  // namespace qv::verify
