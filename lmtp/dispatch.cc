// SPDX-License-Identifier: 0BSD
#include "lmtp/dispatch.h"

#include <utility>

#include "core/clock.h"
#include "deliver/agent.h"

namespace qv::lmtp {

void Counters::count(const Outcome& outcome) {
  ++deliveries[outcome.delivery];
  if (outcome.delivery == Delivery::done) bytes += outcome.bytes;
}

void log_delivery(Service& service, const Job& job, const Outcome& outcome, std::int64_t us) {
  LogLine line = delivery_line(job.envelope, job.mailbox, outcome, us);
  service.log(line);
}

Dispatch::Dispatch(Service& service, Client& client, std::string sender,
                   std::vector<std::string> recipients, std::vector<Mailbox> mailboxes)
    : service_(service), client_(&client), began_us_(monotonic_us()) {
  ++service_.dispatches;
  deliveries_.reserve(recipients.size());
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    Job job{{sender, recipients[i], recipients[i]}, std::move(mailboxes[i]), 0, 0};
    deliveries_.push_back({std::move(job), std::nullopt});
  }
}

Dispatch::~Dispatch() {
  --service_.dispatches;
  service_.ended();
}

void Dispatch::start(Fd message) {
  message_ = std::move(message);
  for (std::size_t i = 0; i < deliveries_.size(); ++i) {
    service_.deliveries->deliver(
        deliveries_[i].job, message_.get(),
        [self = shared_from_this(), i](Outcome outcome) { self->end(i, std::move(outcome)); });
  }
}

void Dispatch::fail(const Outcome& why) {
  // Whoever is told last may destroy this.
  const auto self = shared_from_this();
  for (std::size_t i = 0; i < deliveries_.size(); ++i) end(i, why);
}

void Dispatch::end(std::size_t index, Outcome outcome) {
  service_.counters.count(outcome);
  log_delivery(service_, deliveries_[index].job, outcome, monotonic_us() - began_us_);
  deliveries_[index].outcome = std::move(outcome);
  while (told_ < deliveries_.size() && deliveries_[told_].outcome) {
    if (client_ != nullptr) client_->on_outcome(*deliveries_[told_].outcome);
    ++told_;
  }
  if (told_ == deliveries_.size() && client_ != nullptr) client_->on_all_told();
}

}  // namespace qv::lmtp
