// SPDX-License-Identifier: 0BSD
// maps/atomic_file.h - a new version of a file, visible when it is whole and on disk, or not at
// all.
//
// A temporary file in the same directory; commit() syncs it, renames it and syncs the directory.
// Without commit() it is removed again.
//
// A file that root builds must not end up where somebody else can put another in its place, nor
// must somebody else's file become root's: open() looks at the directory, at the file that is there
// and at the source, and refuses or warns.
// Threads: none.  Manual: qmail-map(1).  Tests: tests/maps/atomic_file_test.cc
#ifndef QV_MAPS_ATOMIC_FILE_H_
#define QV_MAPS_ATOMIC_FILE_H_

#include <sys/types.h>

#include <optional>
#include <string>

#include "core/fd.h"
#include "core/result.h"

namespace qv {

// Whose the new file is to be, and who may read it, where there is none to take that from.
struct FileOwner {
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t mode = 0644;
};

class AtomicFile {
 public:
  // Makes the temporary file, open for reading and writing.  It gets owner and mode of the file
  // that is there; else those of `source`; else mode 0644 less the umask and, for root, the owner
  // of the directory. Errors (config), with the reason in `detail`: the directory may be written by
  // everybody, and has no sticky bit; root would leave a file of its own in a directory of somebody
  // else; what is there is not a regular file.  On success `detail` may hold a warning.
  [[nodiscard]] static Result<AtomicFile> create(const std::string& path,
                                                 const std::optional<FileOwner>& source,
                                                 std::string& detail);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  [[nodiscard]] int fd() const { return file_.get(); }
  [[nodiscard]] const std::string& temporary_path() const { return temporary_; }

  // fsync, rename, fsync of the directory.  After an Error the old file is still there, except when
  // it was the last step that failed; `detail` names the step.
  [[nodiscard]] Result<void> commit(std::string& detail);

 private:
  AtomicFile(std::string path, std::string temporary, Fd file, Fd directory);

  std::string path_;
  std::string temporary_;  // empty: nothing to remove
  Fd file_;
  Fd directory_;
};

}  // namespace qv

#endif  // QV_MAPS_ATOMIC_FILE_H_
