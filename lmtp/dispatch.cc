// SPDX-License-Identifier: 0BSD
#include "lmtp/dispatch.h"

#include <utility>

#include "core/clock.h"
#include "deliver/agent.h"

namespace qv::lmtp {

Dispatch::Dispatch(Service& service, std::string sender, std::vector<std::string> recipients,
                   std::vector<Mailbox> mailboxes, Report report)
    : service_(service), report_(std::move(report)), began_us_(monotonic_us()) {
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
  // The client may release this object with the last report.
  const auto self = shared_from_this();
  for (std::size_t i = 0; i < deliveries_.size(); ++i) end(i, why);
}

void Dispatch::end(std::size_t index, Outcome outcome) {
  ++service_.counters.deliveries[outcome.delivery];
  if (outcome.delivery == qv::Delivery::done) service_.counters.bytes += outcome.bytes;
  Delivery& ended = deliveries_[index];
  service_.log(
      delivery_line(ended.job.envelope, ended.job.mailbox, outcome, monotonic_us() - began_us_));
  ended.outcome = std::move(outcome);
  while (reported_ < deliveries_.size() && deliveries_[reported_].outcome) {
    const Outcome& next = *deliveries_[reported_++].outcome;
    if (report_) report_(next, reported_ == deliveries_.size());
  }
}

}  // namespace qv::lmtp
