// SPDX-License-Identifier: 0BSD
#include "lmtp/session.h"

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "core/clock.h"
#include "deliver/agent.h"

namespace qv::lmtp {

// One complete message, and its deliveries: one for each recipient.
//
// They run at the same time; the client gets their outcomes in the order of its recipients.  A
// dispatch lives until its last delivery has ended, even when its client has gone.
class Dispatch : public std::enable_shared_from_this<Dispatch> {
 public:
  // Called for each recipient, in order; perhaps from within start() or fail().
  using Report = std::function<void(const deliver::Outcome& outcome, bool is_last)>;

  // REQUIRES: `service` outlives the dispatch; one mailbox for each recipient, at least one.
  Dispatch(Service& service, const std::string& sender, const std::vector<std::string>& recipients,
           std::vector<deliver::Mailbox> mailboxes, Report report)
      : service_(service), report_(std::move(report)), began_us_(monotonic_us()) {
    ++service_.dispatches;
    for (std::size_t i = 0; i < recipients.size(); ++i) {
      deliver::Job job{{sender, recipients[i], recipients[i]}, std::move(mailboxes[i]), 0, 0};
      deliveries_.push_back({std::move(job), std::nullopt});
    }
  }
  ~Dispatch() {
    --service_.dispatches;
    service_.ended();
  }
  Dispatch(const Dispatch&) = delete;
  Dispatch& operator=(const Dispatch&) = delete;

  void start(Fd message) {
    message_ = std::move(message);
    for (std::size_t i = 0; i < deliveries_.size(); ++i) {
      service_.deliveries->deliver(deliveries_[i].job, message_.get(),
                                   [self = shared_from_this(), i](deliver::Outcome outcome) {
                                     self->end(i, std::move(outcome));
                                   });
    }
  }

  // Ends every delivery with `why`: there is no message to deliver.
  void fail(const deliver::Outcome& why) {
    // The client may release this object with the last report.
    const auto self = shared_from_this();
    for (std::size_t i = 0; i < deliveries_.size(); ++i) end(i, why);
  }

  // The client has gone: nothing more is reported.
  void leave() { report_ = nullptr; }

 private:
  struct Delivery {
    deliver::Job job;
    std::optional<deliver::Outcome> outcome;
  };

  void end(std::size_t index, deliver::Outcome outcome) {
    ++service_.counters.deliveries[outcome.delivery];
    if (outcome.delivery == deliver::Delivery::done) service_.counters.bytes += outcome.bytes;
    Delivery& ended = deliveries_[index];
    service_.log(deliver::delivery_line(ended.job.envelope, ended.job.mailbox, outcome,
                                        monotonic_us() - began_us_));
    ended.outcome = std::move(outcome);
    while (reported_ < deliveries_.size() && deliveries_[reported_].outcome) {
      const deliver::Outcome& next = *deliveries_[reported_++].outcome;
      if (report_) report_(next, reported_ == deliveries_.size());
    }
  }

  Service& service_;
  Report report_;
  Fd message_;
  std::vector<Delivery> deliveries_;
  std::size_t reported_ = 0;
  std::int64_t began_us_;
};

namespace {

constexpr wire::lmtp::Reply kShuttingDown{421, "4.3.2", "service is shutting down"};
constexpr wire::lmtp::Reply kNotStored{452, "4.3.1", "message cannot be stored now"};

wire::lmtp::Limits limits_of(const deliver::DeliverSettings& settings) {
  wire::lmtp::Limits limits;
  limits.message = settings.message_limit;
  limits.recipients = settings.recipient_limit;
  return limits;
}

int reply_code(const deliver::Outcome& outcome) {
  switch (outcome.delivery) {
    case deliver::Delivery::done:
      return 250;
    case deliver::Delivery::retry:
      return outcome.code == "4.3.1" ? 452 : 451;
    case deliver::Delivery::refuse:
      break;
  }
  if (outcome.code == "5.2.2") return 552;
  return outcome.code == "5.1.1" ? 550 : 554;
}

wire::lmtp::Reply reply_for(const deliver::Outcome& outcome) {
  return {reply_code(outcome), outcome.code, outcome.text};
}

}  // namespace

// Writes what `append` appends, through a buffer that all sessions share: there is one thread.
template <class Append>
void ClientSession::write(Append append) {
  static std::string bytes;
  bytes.clear();
  append(bytes);
  stream_.write(bytes);
}

ClientSession::ClientSession(Service& service, event::Stream& stream)
    : service_(service), stream_(stream), protocol_(service.host, limits_of(service.settings)) {
  ++service_.counters.accepted;
  ++service_.sessions;
  write([this](std::string& out) { protocol_.greet(out); });
}

ClientSession::~ClientSession() {
  if (ticket_ != 0) service_.deliveries->cancel(ticket_);
  if (dispatch_) dispatch_->leave();
  --service_.sessions;
  service_.ended();
}

std::size_t ClientSession::on_input(event::Stream& /*stream*/, std::string_view input) {
  std::string_view rest = input;
  for (wire::lmtp::Event event = wire::lmtp::Event::recipient;
       event != wire::lmtp::Event::more && !stream_.paused();) {
    write([&](std::string& out) { event = protocol_.next(rest, out); });
    answer(event);
    if (event == wire::lmtp::Event::closed) return input.size();
  }
  // An idle client holds no memory for mailboxes of a transaction that has ended.
  if (protocol_.recipients().empty()) std::vector<deliver::Mailbox>().swap(mailboxes_);
  return input.size() - rest.size();
}

std::string_view ClientSession::last_words(event::StreamEnd /*why*/) const {
  return "421 4.4.2 silent for too long\r\n";
}

void ClientSession::shut_down() {
  if (is_busy()) return;
  write([this](std::string& out) { protocol_.shut_down(kShuttingDown, out); });
  stream_.close();
}

void ClientSession::answer(wire::lmtp::Event event) {
  switch (event) {
    case wire::lmtp::Event::more:
      return;
    case wire::lmtp::Event::recipient:
      return find_recipient();
    case wire::lmtp::Event::begin:
      return begin_message();
    case wire::lmtp::Event::body:
      // finish() returns the error of a failed append(), when the client has sent the rest.
      static_cast<void>(spool_->append(protocol_.body()));
      return;
    case wire::lmtp::Event::end:
      return end_message();
    case wire::lmtp::Event::dropped:
      return spool_.reset();
    case wire::lmtp::Event::closed:
      return stream_.close();
  }
}

void ClientSession::find_recipient() {
  ++service_.counters.recipients;
  stream_.pause();
  ticket_ = service_.deliveries->find(
      protocol_.recipient(), [this](const deliver::Outcome& found, deliver::Mailbox mailbox) {
        ticket_ = 0;
        if (found.delivery == deliver::Delivery::done &&
            deliver::needs_room(service_.settings, mailbox)) {
          return find_room(std::move(mailbox));
        }
        answer_recipient(found, std::move(mailbox));
      });
}

// Where no writer is free to look into the mailbox the recipient is accepted: the delivery checks
// again for room.
void ClientSession::find_room(deliver::Mailbox mailbox) {
  const std::string& recipient = protocol_.recipient();
  const deliver::Job job{
      {protocol_.sender(), recipient, recipient}, mailbox, 0, protocol_.announced_size()};
  ticket_ = service_.deliveries->find_room(job, [this, mailbox](const deliver::Outcome& room) {
    ticket_ = 0;
    answer_recipient(room.delivery == deliver::Delivery::retry ? deliver::done(0) : room, mailbox);
  });
  if (ticket_ == 0) answer_recipient(deliver::done(0), std::move(mailbox));
}

void ClientSession::answer_recipient(const deliver::Outcome& outcome, deliver::Mailbox mailbox) {
  if (outcome.delivery == deliver::Delivery::done) {
    // Drops the mailboxes of an earlier transaction: the protocol's recipients are the current
    // ones.
    mailboxes_.resize(protocol_.recipients().size());
    mailboxes_.push_back(std::move(mailbox));
    write([this](std::string& out) { protocol_.accept_recipient(out); });
  } else {
    ++service_.counters.refused_recipients;
    const std::string& recipient = protocol_.recipient();
    service_.log(
        deliver::delivery_line({protocol_.sender(), recipient, recipient}, mailbox, outcome, 0));
    write([&](std::string& out) { protocol_.refuse_recipient(reply_for(outcome), out); });
  }
  resume();
}

void ClientSession::begin_message() {
  auto spool = std::make_unique<deliver::Spool>(service_.settings.spool_directory);
  const Result<void> opened = spool->open(protocol_.announced_size());
  if (opened.ok()) {
    spool_ = std::move(spool);
    return write([this](std::string& out) { protocol_.accept_message(out); });
  }
  process::LogLine line("virtual");
  line.add("spool", deliver::cannot_spool(opened.error()).text);
  service_.log(line);
  write([this](std::string& out) { protocol_.refuse_message(kNotStored, out); });
}

void ClientSession::end_message() {
  ++service_.counters.messages;
  stream_.pause();
  dispatch_ = std::make_shared<Dispatch>(
      service_, protocol_.sender(), protocol_.recipients(), std::exchange(mailboxes_, {}),
      [this](const deliver::Outcome& outcome, bool is_last) { report(outcome, is_last); });
  Result<Fd> message = spool_->finish();
  spool_.reset();
  // The last report resets dispatch_.
  const std::shared_ptr<Dispatch> dispatch = dispatch_;
  if (!message.ok()) return dispatch->fail(deliver::cannot_spool(message.error()));
  dispatch->start(std::move(message).value());
}

void ClientSession::report(const deliver::Outcome& outcome, bool is_last) {
  write([&](std::string& out) { protocol_.reply(reply_for(outcome), out); });
  if (!is_last) return;
  dispatch_.reset();
  resume();
}

void ClientSession::resume() {
  if (service_.is_stopping) shut_down();
  stream_.resume();
}

}  // namespace qv::lmtp
