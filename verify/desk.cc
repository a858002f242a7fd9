// SPDX-License-Identifier: 0BSD
#include "verify/desk.h"

#include <algorithm>
#include <utility>

namespace qv {

namespace {

constexpr std::int64_t kSweepUs = 500000;

}  // namespace

Decision decided_without_looking(Why why) {
  Decision decision;
  decision.why = why;
  return decision;
}

std::string_view verdict_word(Verdict verdict) {
  switch (verdict) {
    case Verdict::accept:
      return "valid";
    case Verdict::reject:
      return "notvalid";
    case Verdict::defer:
      return "undecided";
  }
  return "undecided";
}

Desk::Desk(Loop& loop, const Options& options, helper::Pool& pool, LogWriter& log)
    : loop_(loop),
      options_(options),
      log_(log),
      lookups_(
          loop, pool, options.cache_ttl_us, PasswdPaths{},
          [this](std::uint32_t number) { decide_again(number); }, table_settings(),
          options.next_hops),
      judge_(options),
      sweep_(loop.every(kSweepUs, [this] {
        give_up_overdue();
        refresh(loop_.now_us());
      })) {}

TableSettings Desk::table_settings() {
  TableSettings settings;
  settings.proxy = options_.proxymap;
  settings.proxy_time_us = options_.look_timeout_us;
  settings.notice = [this](std::string_view text) {
    LogLine line("table");
    log_.write(line.add("notice", text));
  };
  return settings;
}

Decision Desk::decide(std::string_view address, std::int64_t asked_at_us) {
  lookups_.begin(asked_at_us);
  return judge_.decide(address, lookups_);
}

Desk::Parked Desk::park(std::unique_ptr<Waiter> waiter, std::int64_t asked_at_us) {
  if (free_.empty() && places_.size() < kMaxParked) {
    free_.push_back(static_cast<std::uint32_t>(places_.size()));
    places_.emplace_back();
  }
  if (free_.empty()) {
    ++counters_.no_room;
    return Parked::no_room;
  }
  ++counters_.waited;
  const std::uint32_t number = free_.back();
  free_.pop_back();
  places_[number] = {std::move(waiter), asked_at_us};
  lookups_.park(number);
  return Parked::yes;
}

// Who is told may ask the next question, and be parked in turn: `places_` may move.
void Desk::tell(Place& place, const Decision& decision) {
  const std::unique_ptr<Waiter> waiter = std::move(place.waiter);
  waiter->told(decision);
}

void Desk::decide_again(std::uint32_t number) {
  Place& place = places_[number];
  if (place.waiter != nullptr) {
    const Decision decision = decide(place.waiter->address(), place.asked_at_us);
    if (decision.pending) {
      lookups_.park(number);
      return;
    }
    tell(place, decision);
  }
  free_.push_back(number);
}

// A parked one that is given up keeps its number until the helper it waits for has been heard of.
void Desk::give_up_overdue() {
  const std::int64_t now = loop_.now_us();
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (places_[i].waiter == nullptr || now - places_[i].asked_at_us < kMaxParkedUs) continue;
    ++counters_.overdue;
    tell(places_[i], decided_without_looking(Why::timeout));
  }
}

std::size_t Desk::parked() const {
  return static_cast<std::size_t>(std::count_if(
      places_.begin(), places_.end(), [](const Place& place) { return place.waiter != nullptr; }));
}

void Desk::count(Verdict verdict) {
  switch (verdict) {
    case Verdict::accept:
      ++counters_.valid;
      return;
    case Verdict::reject:
      ++counters_.not_valid;
      return;
    case Verdict::defer:
      ++counters_.undecided;
      return;
  }
}

void Desk::note(const Asked& asked, const Decision& decision, std::string_view told) {
  const Verdict verdict = decision.verdict();
  count(verdict);
  if (options_.log == LogWhat::none) return;
  if (options_.log == LogWhat::reject && verdict == Verdict::accept) return;
  LogLine line("verify");
  line.add("result", verdict_word(verdict)).add("why", why_word(decision.why));
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

void Desk::reload() {
  judge_.force();
  lookups_.forget();
  refresh(loop_.now_us());
  log_.flush();
}

void Desk::refresh(std::int64_t now_us) {
  std::vector<Problem> problems;
  const Change change = judge_.refresh(now_us, problems);
  if (change == Change::changed) lookups_.tables().keep(judge_.config().verifymaps.named);
  for (const Problem& problem : problems) {
    LogLine line("config");
    line.add("file", problem.where);
    if (problem.line > 0) line.add("line", problem.line);
    log_.write(line.add("problem", problem.text));
  }
}

}  // namespace qv
