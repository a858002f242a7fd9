// SPDX-License-Identifier: 0BSD
// maps/atomic_file.h - a new version of a file, visible when it is whole and on disk, or not at
// all.
//
// A temporary file in the same directory; commit() syncs it, renames it and syncs the directory.
// Without commit() it is removed again.
//
// Nobody else may be able to replace a file that root builds, nor may a file of somebody else
// become root's: create() looks at the directory, at the present file and at the source, and
// refuses or warns. Threads: none.  Manual: qmail-map(1).  Tests: tests/maps/atomic_file_test.cc
#ifndef QV_MAPS_ATOMIC_FILE_H_
#define QV_MAPS_ATOMIC_FILE_H_

#include <sys/types.h>

#include <optional>
#include <string>

#include "core/fd.h"
#include "core/result.h"

namespace qv::maps {

// Owner and mode of a new file, where none is there to take them from.
struct FileOwner {
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t mode = 0644;
};

class AtomicFile {
 public:
  // Makes the temporary file, open for reading and writing.  It gets owner and mode of the present
  // file; else those of `source`; else mode 0644 less the umask and, for root, the owner of the
  // directory.  Errors (config), with the reason in `detail`: everybody may write to the directory,
  // which has no sticky bit; root would leave a file of its own in a directory of somebody else;
  // the present file is not a regular one.  On success `detail` may hold a warning.
  [[nodiscard]] static Result<AtomicFile> create(const std::string& path,
                                                 const std::optional<FileOwner>& source,
                                                 std::string& detail);

  AtomicFile(AtomicFile&& other) noexcept = default;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  [[nodiscard]] int fd() const { return file_.get(); }
  [[nodiscard]] const std::string& temporary_path() const { return temporary_; }

  // fsync, rename, close, fsync of the directory.  After an Error the old file is still there,
  // unless the last step failed; `detail` names the step.
  [[nodiscard]] Result<void> commit(std::string& detail);

 private:
  AtomicFile() = default;

  std::string path_;
  std::string temporary_;
  Fd file_;  // open: the temporary file must be removed
  Fd directory_;
};

}  // namespace qv::maps

#endif  // QV_MAPS_ATOMIC_FILE_H_
