// SPDX-License-Identifier: 0BSD
#include "tests/deliver/mailbox_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "core/file.h"

namespace qv::deliver {

namespace {

int remove_one(const char* path, const struct stat* /*st*/, int /*type*/, struct FTW* place) {
  return place->level == 0 ? 0 : remove(path);
}

}  // namespace

MailboxDir::MailboxDir() {
  std::string pattern = "/tmp/qv-deliver-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) abort();
  root_ = pattern;
}

MailboxDir::~MailboxDir() {
  clear();
  rmdir(root_.c_str());
}

void MailboxDir::clear() const { nftw(root_.c_str(), remove_one, 16, FTW_DEPTH | FTW_PHYS); }

void MailboxDir::write(std::string_view name, std::string_view text) const {
  const Fd file(::open(path(name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.valid() || !write_all(file.get(), text).ok()) abort();
}

void MailboxDir::make_dir(std::string_view name) const {
  if (::mkdir(path(name).c_str(), 0700) != 0) abort();
}

std::string MailboxDir::read(std::string_view name) const {
  const Fd file(::open(path(name).c_str(), O_RDONLY | O_CLOEXEC));
  struct stat st {};
  if (!file.valid() || fstat(file.get(), &st) != 0) return "(no such file)";
  std::string text(static_cast<std::size_t>(st.st_size), '\0');
  const auto got = read_full(file.get(), text.data(), text.size());
  return got.ok() ? text : "(cannot be read)";
}

bool MailboxDir::exists(std::string_view name) const {
  struct stat st {};
  return lstat(path(name).c_str(), &st) == 0;
}

std::vector<std::string> MailboxDir::list(std::string_view name) const {
  std::vector<std::string> names;
  Files files;
  if (files.list(path(name), names) != 0) names.clear();
  std::sort(names.begin(), names.end());
  return names;
}

MessageSource MailboxDir::message(std::string_view body) {
  Fd file(memfd_create("message", MFD_CLOEXEC));
  if (!file.valid() || !write_all(file.get(), body).ok()) abort();
  messages_.push_back(std::move(file));
  return {messages_.back().get(), 0};
}

}  // namespace qv::deliver
