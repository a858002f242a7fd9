// SPDX-License-Identifier: 0BSD
#include "lmtp/worker_deliveries.h"

#include <errno.h>
#include <fcntl.h>

#include <utility>

namespace qv::lmtp {

namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::int64_t kMaxIdleUs = 30 * kSecondUs;  // of a writer
constexpr std::int64_t kNoLimitUs = INT64_MAX / 4;
constexpr std::size_t kTableProcesses = 4;
// The lowest bit of a ticket says which of the two pools it belongs to.
constexpr std::uint64_t kOfWriters = 1;

process::PoolSettings common_settings(const deliver::DeliverSettings& settings) {
  process::PoolSettings pool;
  pool.queue = SIZE_MAX;  // bounded by the clients: each waits for its own answer
  pool.lane_queue = SIZE_MAX;
  pool.time_limit_us = settings.time_limit == 0
                           ? kNoLimitUs
                           : static_cast<std::int64_t>(settings.time_limit) * kSecondUs;
  return pool;
}

process::PoolSettings table_settings(const deliver::DeliverSettings& settings) {
  process::PoolSettings pool = common_settings(settings);
  pool.workers = kTableProcesses;
  pool.per_lane = kTableProcesses;
  pool.accepts = [](std::string_view, const process::Message& answer) {
    return deliver::decode_found(answer.body).has_value();
  };
  return pool;
}

process::PoolSettings writer_settings(const deliver::DeliverSettings& settings) {
  process::PoolSettings pool = common_settings(settings);
  pool.workers = settings.writer_limit;
  pool.per_lane = settings.mailbox_concurrency;
  pool.per_subject = (settings.writer_limit + 1) / 2;
  pool.max_idle_us = kMaxIdleUs;
  pool.accepts = [](std::string_view, const process::Message& answer) {
    return deliver::decode_outcome(answer.body).has_value();
  };
  return pool;
}

// The job for a writer: its lane is the mailbox, its subject the account; a new writer is started
// for the recipient.  A job whose writer died may have been done: it is not repeated.
process::Job order_of(char kind, const deliver::Job& job) {
  process::Job order;
  order.subject = std::to_string(job.mailbox.uid) + ":" + std::to_string(job.mailbox.gid);
  order.start_as = job.envelope.recipient;
  order.lane = job.mailbox.path;
  order.body = kind + deliver::encode_job(job);
  order.is_repeatable = false;
  return order;
}

deliver::Outcome outcome_of(const Result<process::Message>& answer) {
  const std::optional<deliver::Outcome> outcome =
      answer.ok() ? deliver::decode_outcome(answer.value().body) : std::nullopt;
  if (outcome) return *outcome;
  switch (answer.ok() ? EPROTO : answer.error().errnum) {
    case ETIMEDOUT:
      return deliver::retry("4.3.0", "delivery took too long");
    case EPIPE:
    case EPROTO:
      return deliver::retry("4.3.0", "delivery process died");
    default:
      return deliver::retry("4.3.0", "delivery process cannot be started");
  }
}

}  // namespace

WorkerDeliveries::WorkerDeliveries(event::Loop& loop, const deliver::DeliverSettings& settings,
                                   Spawners spawners, const process::Pool::Observer& observer)
    : settings_(settings),
      tables_(loop, std::move(spawners.tables), table_settings(settings), observer),
      writers_(loop, std::move(spawners.writers), writer_settings(settings), observer) {}

Deliveries::Ticket WorkerDeliveries::find(const std::string& recipient, Found found) {
  process::Job order;
  order.identity = recipient;
  order.body = recipient;
  return 2 * tables_.ask(std::move(order), [found = std::move(found)](
                                               const Result<process::Message>& answer) {
    std::optional<deliver::FoundMailbox> mailbox =
        answer.ok() ? deliver::decode_found(answer.value().body) : std::nullopt;
    if (mailbox) return found(mailbox->outcome, std::move(mailbox->mailbox));
    found(deliver::retry("4.3.0", "mailbox look-up is not possible now"), {});
  });
}

Deliveries::Ticket WorkerDeliveries::find_room(deliver::Job job, Ended ended) {
  process::Job order = order_of(deliver::kRoom, job);
  if (!writers_.can_take(order)) return 0;
  order.is_repeatable = true;
  return 2 * ask_writer(std::move(order), std::move(ended)) + kOfWriters;
}

void WorkerDeliveries::deliver(deliver::Job job, int message, Ended ended) {
  process::Job order = order_of(deliver::kDeliver, job);
  order.file.reset(fcntl(message, F_DUPFD_CLOEXEC, 0));
  ask_writer(std::move(order), std::move(ended));
}

process::Pool::Ticket WorkerDeliveries::ask_writer(process::Job order, Ended ended) {
  return writers_.ask(std::move(order),
                      [ended = std::move(ended)](const Result<process::Message>& answer) {
                        ended(outcome_of(answer));
                      });
}

void WorkerDeliveries::cancel(Ticket ticket) {
  if ((ticket & kOfWriters) != 0) return writers_.cancel(ticket / 2);
  tables_.cancel(ticket / 2);
}

void WorkerDeliveries::renew() {
  tables_.renew(table_settings(settings_));
  writers_.renew(writer_settings(settings_));
}

}  // namespace qv::lmtp
