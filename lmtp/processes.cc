// SPDX-License-Identifier: 0BSD
#include "lmtp/processes.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "deliver/packets.h"

namespace qv::lmtp {

namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::int64_t kKeptUs = 30 * kSecondUs;  // a writer without work

template <class Counts, class Key>
void count_down(Counts& counts, const Key& key) {
  const auto at = counts.find(key);
  if (--at->second == 0) counts.erase(at);
}

template <class Counts, class Key>
std::size_t count_of(const Counts& counts, const Key& key) {
  const auto at = counts.find(key);
  return at == counts.end() ? 0 : at->second;
}

}  // namespace

Processes::Processes(Loop& loop, const DeliverSettings& settings, Counters& counters, Fd broker,
                     std::function<void()> lost)
    : loop_(loop),
      settings_(settings),
      counters_(counters),
      broker_(loop, std::move(broker), std::move(lost)),
      tick_(loop.every(kSecondUs, [this] { look_around(); })) {}

Deliveries::Ticket Processes::find(const std::string& recipient, Found found) {
  broker_.ask(++tickets_, kFindMailbox, recipient,
              [found = std::move(found)](BrokerReply reply, Fd /*none*/) {
                found(reply.outcome, std::move(reply.mailbox));
              });
  return tickets_;
}

Deliveries::Ticket Processes::find_room(Job job, Ended ended) {
  if (!can_start(job)) return 0;
  start({++tickets_, kRoom, std::move(job), -1, std::move(ended), loop_.now_us()});
  return tickets_;
}

void Processes::deliver(Job job, int message, Ended ended) {
  Work work{++tickets_, kDeliver, std::move(job), message, std::move(ended), loop_.now_us()};
  if (can_start(work.job)) return start(std::move(work));
  waiting_.push_back(std::move(work));
}

void Processes::forget(Ticket ticket) {
  broker_.forget(ticket);
  for (Writer& writer : writers_) {
    if (writer.work && writer.work->ticket == ticket) writer.work->ended = [](const Outcome&) {};
  }
}

void Processes::read_settings(Ended ended) {
  broker_.ask(++tickets_, kReadSettings, {},
              [this, ended = std::move(ended)](const BrokerReply& reply, Fd /*none*/) {
                if (reply.outcome.delivery == Delivery::done) {
                  for (Writer& writer : writers_) writer.is_stale = true;
                  std::erase_if(writers_, [](const Writer& writer) { return !writer.is_busy; });
                }
                ended(reply.outcome);
              });
}

bool Processes::can_start(const Job& job) const {
  return busy_ < settings_.writer_limit &&
         count_of(of_mailbox_, job.mailbox.path) < settings_.mailbox_concurrency &&
         count_of(of_account_, job.mailbox.uid) < (settings_.writer_limit + 1) / 2;
}

Processes::At Processes::find_idle(const Job& job) {
  return std::find_if(writers_.begin(), writers_.end(), [&job](const Writer& writer) {
    return !writer.is_busy && writer.job.mailbox.uid == job.mailbox.uid &&
           writer.job.mailbox.gid == job.mailbox.gid;
  });
}

// Another account's writer without work goes, so that there is place for one with work.
Processes::At Processes::add_writer() {
  if (writers_.size() >= settings_.writer_limit) {
    const auto idle = std::find_if(writers_.begin(), writers_.end(),
                                   [](const Writer& writer) { return !writer.is_busy; });
    if (idle != writers_.end()) writers_.erase(idle);
  }
  writers_.emplace_front();
  return writers_.begin();
}

// REQUIRES: can_start(work.job).
void Processes::start(Work work) {
  const At idle = find_idle(work.job);
  if (idle != writers_.end()) {
    begin(idle, std::move(work));
    if (send_work(idle)) return;
    // It died while it had nothing to do.
    work = *std::move(idle->work);
    remove(idle);
  }
  const std::string recipient = work.job.envelope.recipient;
  const At writer = add_writer();
  begin(writer, std::move(work));
  broker_.ask(0, kStartWriter, recipient, [this, writer](const BrokerReply& reply, Fd socket) {
    on_started(writer, reply, std::move(socket));
  });
}

void Processes::begin(At writer, Work work) {
  ++busy_;
  ++of_mailbox_[work.job.mailbox.path];
  ++of_account_[work.job.mailbox.uid];
  writer->is_busy = true;
  writer->since_us = loop_.now_us();
  writer->job = work.job;
  writer->work = std::move(work);
}

void Processes::on_started(At writer, const BrokerReply& reply, Fd socket) {
  const Mailbox& wanted = writer->job.mailbox;
  const bool is_started = socket.valid();
  if (!is_started || reply.mailbox.uid != wanted.uid || reply.mailbox.gid != wanted.gid) {
    return end_writer(writer, retry("4.3.0", is_started ? "mailbox has a new owner"
                                                        : "delivery process cannot be started"));
  }
  ++counters_.workers_started;
  writer->socket = std::move(socket);
  writer->pid = reply.writer;
  writer->reading =
      loop_.when_readable(writer->socket.get(), [this, writer] { on_readable(writer); });
  // Its work may have been given up meanwhile.
  if (!writer->work) return free(writer);
  if (!send_work(writer)) end_writer(writer, retry("4.3.0", "delivery process died"));
}

bool Processes::send_work(At writer) {
  const Work& work = *writer->work;
  return send_packet(writer->socket.get(), work.kind + encode_job(work.job), work.message);
}

void Processes::on_readable(At writer) {
  std::string packet;
  Fd none;
  const bool received = receive_packet(writer->socket.get(), packet, none);
  const std::optional<Outcome> outcome =
      received ? decode_outcome(packet) : std::optional<Outcome>{};
  if (!outcome) {
    ++counters_.workers_lost;
    return end_writer(writer, retry("4.3.0", "delivery process died"));
  }
  // One that was given up will be dead soon.
  if (!writer->work) return;
  const Ended ended = std::move(writer->work->ended);
  writer->work.reset();
  free(writer);
  ended(*outcome);
}

// Its work has ended with it.
void Processes::end_writer(At writer, const Outcome& outcome) {
  const std::optional<Work> work = std::exchange(writer->work, std::nullopt);
  remove(writer);
  start_waiting();
  if (work) work->ended(outcome);
}

// It has ended its work, and others may have waited for that.
void Processes::free(At writer) {
  stop_counting(*writer);
  if (writer->is_stale) writers_.erase(writer);
  start_waiting();
}

void Processes::stop_counting(Writer& writer) {
  if (!writer.is_busy) return;
  --busy_;
  count_down(of_mailbox_, writer.job.mailbox.path);
  count_down(of_account_, writer.job.mailbox.uid);
  writer.is_busy = false;
  writer.since_us = loop_.now_us();
}

void Processes::remove(At writer) {
  stop_counting(*writer);
  writers_.erase(writer);
}

void Processes::start_waiting() {
  for (auto at = waiting_.begin(); at != waiting_.end() && busy_ < settings_.writer_limit;) {
    const auto work = at++;
    if (!can_start(work->job)) continue;
    Work begun = std::move(*work);
    waiting_.erase(work);
    start(std::move(begun));
  }
}

// Once a second: what takes too long, and writers that nobody needs any more.
void Processes::look_around() {
  const std::int64_t now = loop_.now_us();
  const std::int64_t limit =
      settings_.time_limit == 0 ? INT64_MIN
                                : now - static_cast<std::int64_t>(settings_.time_limit) * kSecondUs;
  std::vector<Ended> overdue;
  for (Writer& writer : writers_) {
    if (!writer.work || writer.since_us > limit) continue;
    overdue.push_back(std::move(writer.work->ended));
    writer.work.reset();
    if (writer.pid != 0) broker_.end_writer(writer.pid);
  }
  while (!waiting_.empty() && waiting_.front().since_us <= limit) {
    overdue.push_back(std::move(waiting_.front().ended));
    waiting_.pop_front();
  }
  std::erase_if(writers_, [now](const Writer& writer) {
    return !writer.is_busy && now - writer.since_us > kKeptUs;
  });
  counters_.overdue += overdue.size() + broker_.give_up(limit);
  for (const Ended& ended : overdue) ended(retry("4.3.0", "delivery took too long"));
}

}  // namespace qv::lmtp
