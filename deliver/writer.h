// SPDX-License-Identifier: 0BSD
// deliver/writer.h - the processes of an LMTP service that look recipients up and write mailboxes.
//
// The process that reads client input names a recipient, never a uid, gid or path.  A table
// process, without rights, answers where the mail for a recipient goes.  A writer is started for a
// recipient: it starts a table process of its own, asks it, checks the bounds, becomes that uid and
// gid for good, and asks again for the recipient of every job, so that it writes to the mailboxes
// that the tables give and to nothing else.
//
// An attacker in the process that clients talk to can therefore have mail written to the mailboxes
// of recipients, as any client can, and no more.
//
// Threads: none.  Blocking: as tables and file systems do; the pool kills what takes too long.
// Tests: tests/deliver/writer_test.cc, tests/e2e/deliver.py
#ifndef QV_DELIVER_WRITER_H_
#define QV_DELIVER_WRITER_H_

#include <functional>
#include <optional>
#include <string>

#include "core/fd.h"
#include "deliver/job.h"
#include "deliver/outcome.h"
#include "deliver/settings.h"
#include "process/spawner.h"

namespace qv::deliver {

// Reads the settings; nullopt, and the mistakes are logged, where they are wrong.
using ReadSettings = std::function<std::optional<DeliverSettings>()>;

struct WriterSettings {
  DeliverSettings deliver;
  std::string host;            // for unique names
  process::Identity tables;    // of table processes, where this process is root's
  ReadSettings read_settings;  // for a reload order
};

// How the spawner starts table processes, whatever the order's subject, and writers, whose subject
// is a recipient.
[[nodiscard]] process::SpawnerSettings table_spawner(const WriterSettings& settings);
[[nodiscard]] process::SpawnerSettings writer_spawner(const WriterSettings& settings);

// ---- messages -----------------------------------------------------------------------------------

// The request to a table process is the recipient; its answer is a FoundMailbox.

// The request to a writer is one of these and a job, of which only the envelope, `start` and `size`
// count.  Its answer is an Outcome.
inline constexpr char kDeliver = 'd';  // the message is the file that comes with it
inline constexpr char kRoom = 'r';     // only whether there is room

// ---- without an LMTP service --------------------------------------------------------------------

// Serves jobs as that uid and gid; the process that started this one has looked the mailbox up.
// Where it cannot become them every job fails with that error.
void write_for(const DeliverSettings& settings, const std::string& host,
               const process::Identity& who, const Fd& socket);

}  // namespace qv::deliver

#endif  // QV_DELIVER_WRITER_H_
