// SPDX-License-Identifier: 0BSD
#include "maps/source.h"

#include <string.h>
#include <sys/stat.h>

namespace qv::maps {

std::string describe_error(const Error& error, std::string_view path) {
  std::string out(error.what);
  if (!path.empty()) out.append(" ").append(path);
  if (error.errnum != 0) out.append(": ").append(strerrordesc_np(error.errnum));
  return out;
}

Result<std::string> read_source(const std::string& path, control::SourceStamp& stamp,
                                std::string& detail) {
  Result<std::string> text = control::read_regular_file(path, kMaxTextSource, stamp);
  if (!text.ok()) detail = describe_error(text.error(), path);
  return text;
}

std::string warn_if_exposed(const control::SourceStamp& stamp) {
  struct stat st {};
  if (stat(stamp.path.c_str(), &st) != 0 || (st.st_mode & S_IROTH) == 0) return {};
  return stamp.path + ": holds a password and everybody may read it: chmod o-r";
}

}  // namespace qv::maps
