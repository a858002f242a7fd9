// SPDX-License-Identifier: 0BSD
#include "deliver/writer.h"

#include <memory>
#include <utility>

#include "core/text.h"
#include "deliver/agent.h"
#include "deliver/files.h"
#include "process/worker.h"

namespace qv::deliver {

namespace {

process::Message message_of(std::string body) {
  process::Message message;
  message.body = std::move(body);
  return message;
}

process::Message message_of(const Outcome& outcome) { return message_of(encode_outcome(outcome)); }

// Below virtual_mailbox_base, with no way out of it, and not of a system account.
bool is_within_bounds(const DeliverSettings& settings, const Mailbox& mailbox) {
  if (mailbox.uid < settings.minimum_uid) return false;
  if (!starts_with(mailbox.path, settings.mailbox_base + "/")) return false;
  if ((mailbox.path + "/").find("/../") != std::string::npos) return false;
  return mailbox.folder.find('/') == std::string::npos && mailbox.folder != "..";
}

void serve_tables(const WriterSettings& settings, const Fd& socket) {
  if (!process::become_where_root(settings.tables).ok()) return;
  Agent agent(settings.deliver, settings.host);
  process::serve_requests(socket, [&agent](const process::Message& request) {
    return message_of(encode_found(agent.find(request.body)));
  });
}

Outcome run_job(const DeliverSettings& settings, const std::string& host, char kind, const Job& job,
                const Fd& message) {
  Files files;
  if (kind == kRoom) return find_room(files, settings, job);
  return perform(files, settings, host, job, message.get());
}

// Calls `act` with the kind and the job of every request; ends at a malformed one.
template <class Act>
void serve_jobs(const Fd& socket, Act act) {
  process::serve_requests(
      socket, [&act](const process::Message& request) -> std::optional<process::Message> {
        const char kind = request.body.empty() ? '\0' : request.body.front();
        std::optional<Job> job = decode_job(after_bytes(request.body, 1));
        if (!job || (kind != kDeliver && kind != kRoom)) return std::nullopt;
        return message_of(act(kind, *job, request.file));
      });
}

// A table process of its own; whom it is for, and what the tables say now.
class Tables {
 public:
  explicit Tables(const WriterSettings& settings) {
    process::Confinement confinement;
    confinement.name = "qv-tables";
    Result<process::Child> child = process::start_child(
        confinement, [&settings](const Fd& socket) { serve_tables(settings, socket); });
    if (child.ok()) socket_ = std::move(child.value().socket);
  }

  [[nodiscard]] FoundMailbox find(const std::string& recipient) const {
    using process::Waiting;
    FoundMailbox nothing{retry("4.3.0", "mailbox look-up is not possible now"), {}};
    if (!socket_.valid()) return nothing;
    if (!process::send_message(socket_, 0, 0, recipient, -1, Waiting::allowed).ok()) return nothing;
    const Result<process::Message> answer = process::receive_message(socket_, Waiting::allowed);
    if (!answer.ok()) return nothing;
    return decode_found(answer.value().body).value_or(nothing);
  }

 private:
  Fd socket_;
};

// The tables' answer about a recipient, if it is within the bounds.
FoundMailbox find_checked(const WriterSettings& settings, const Tables& tables,
                          const std::string& recipient) {
  FoundMailbox found = tables.find(recipient);
  if (found.outcome.delivery == Delivery::done &&
      !is_within_bounds(settings.deliver, found.mailbox)) {
    found.outcome = retry("4.3.5", "mail system is misconfigured");
  }
  return found;
}

void serve_writer(const WriterSettings& settings, const std::string& recipient, const Fd& socket) {
  const Tables tables(settings);
  const FoundMailbox first = find_checked(settings, tables, recipient);
  const process::Identity who{first.mailbox.uid, first.mailbox.gid};
  Outcome is_ready = first.outcome;
  if (is_ready.delivery == Delivery::done) {
    const Result<void> became = process::become_in_child(who);
    if (!became.ok()) is_ready = became.error();
  }
  serve_jobs(socket, [&](char kind, Job& job, const Fd& message) {
    if (is_ready.delivery != Delivery::done) return is_ready;
    const FoundMailbox found = find_checked(settings, tables, job.envelope.recipient);
    if (found.outcome.delivery != Delivery::done) return found.outcome;
    if (found.mailbox.uid != who.uid || found.mailbox.gid != who.gid) {
      return retry("4.3.0", "mailbox has a new owner");
    }
    job.mailbox = found.mailbox;
    return run_job(settings.deliver, settings.host, kind, job, message);
  });
}

process::SpawnerSettings spawner_for(
    const char* name, const WriterSettings& settings,
    std::function<void(const WriterSettings&, const std::string&, const Fd&)> serve) {
  const auto now = std::make_shared<WriterSettings>(settings);
  process::SpawnerSettings spawner;
  spawner.confinement.name = name;
  // Processes that hang and cannot be killed count: leave room for others.
  spawner.max_processes = static_cast<std::uint32_t>(settings.deliver.writer_limit) * 4;
  spawner.run = [now, serve = std::move(serve)](const std::string& subject, const Fd& socket) {
    serve(*now, subject, socket);
  };
  spawner.reload = [now] {
    if (std::optional<DeliverSettings> fresh = now->read_settings()) {
      now->deliver = *std::move(fresh);
    }
  };
  return spawner;
}

}  // namespace

process::SpawnerSettings table_spawner(const WriterSettings& settings) {
  return spawner_for("qv-tables", settings,
                     [](const WriterSettings& now, const std::string&, const Fd& socket) {
                       serve_tables(now, socket);
                     });
}

process::SpawnerSettings writer_spawner(const WriterSettings& settings) {
  return spawner_for("qv-writer", settings, serve_writer);
}

void write_for(const DeliverSettings& settings, const std::string& host,
               const process::Identity& who, const Fd& socket) {
  const Result<void> became = process::become_in_child(who);
  serve_jobs(socket, [&](char kind, const Job& job, const Fd& message) {
    if (!became.ok()) return Outcome(became.error());
    return run_job(settings, host, kind, job, message);
  });
}

}  // namespace qv::deliver
