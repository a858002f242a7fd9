// SPDX-License-Identifier: 0BSD
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <vector>

#include "control/settings.h"
#include "core/text.h"
#include "maps/open.h"
#include "maps/registry.h"
#include "maps/spec.h"
#include "wire/proxymap.h"

namespace qv {

namespace {

// Where modules are: beside the program, as in the build and where it is installed, or where
// `make install` has put them.  Nothing that a user or a client says has a part in it.
std::string module_path(const std::string& name) {
  const std::string file = "/" + name + ".so";
  std::string self(4096, '\0');
  const ssize_t size = readlink("/proc/self/exe", self.data(), self.size());
  self.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  const std::size_t directory = self.rfind('/');
  if (directory != std::string::npos) {
    std::string beside = self.substr(0, directory) + "/../lib/qmail-verify/maps" + file;
    if (access(beside.c_str(), F_OK) == 0) return beside;
  }
  return kMapModules + file;
}

const MapType* load(const std::string& name, std::string& why) {
  const std::string path = module_path(name);
  if (access(path.c_str(), F_OK) != 0) {
    why = "tables of type " + name + " need " + path + ", which is not installed";
    return nullptr;
  }
  void* const module = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  const void* const symbol = module == nullptr ? nullptr : dlsym(module, kMapModuleSymbol);
  if (symbol == nullptr) {
    const char* const error = dlerror();
    why = "tables of type " + name + " need " + path + ", which cannot be loaded: " + error;
    return nullptr;
  }
  const auto* const found = static_cast<const MapModule*>(symbol);
  if (std::string_view(found->interface) != kMapInterface) {
    why = path + " belongs to another version of qmail-verify (" + found->interface +
          "), this program is of " + kMapInterface;
    return nullptr;
  }
  const Traits& traits = found->type->traits;
  if (found->type->name != name || traits != kLoadableTraits || found->type->begin != nullptr) {
    why = path + " is no module of tables of type " + name;
    return nullptr;
  }
  return found->type;
}

bool is_loadable(std::string_view name) {
  const auto names = loadable_types();
  return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr int kMaxNesting = 8;

MapKind kind_within(std::string_view table, int depth) {
  MapKind kind;
  std::string_view type;
  std::string_view name;
  if (!split_type(strip_braces(table), type, name)) return kind;
  const std::optional<Traits> found = traits_of(type);
  if (!found) return kind;
  kind = {found->networked, found->pattern, true};
  const bool is_pipe = type == "pipemap";
  if ((type != "unionmap" && !is_pipe) || depth == kMaxNesting) return kind;
  std::vector<std::string_view> members;
  if (!split_list(strip_braces(name), members)) return kind;
  for (const std::string_view& member : members) {
    const MapKind inner = kind_within(member, depth + 1);
    kind.networked = kind.networked || inner.networked;
    // What a pipe is asked goes to its first table.
    if (!is_pipe || &member == &members.front()) kind.pattern = kind.pattern || inner.pattern;
  }
  return kind;
}

}  // namespace

const MapType* find_map_type(std::string_view name, std::string* why) {
  for (const MapType* type : built_in_types()) {
    if (type->name == name) return type;
  }
  std::string reason = "there is no table type \"" + std::string(name) +
                       "\" in this build, which has: " + map_type_names();
  if (is_loadable(name)) {
    static std::map<std::string, const MapType*, std::less<>> loaded;
    if (const auto at = loaded.find(name); at != loaded.end()) return at->second;
    if (const MapType* type = load(std::string(name), reason)) {
      return loaded.emplace(name, type).first->second;
    }
  }
  if (why != nullptr) *why = std::move(reason);
  return nullptr;
}

std::optional<Traits> traits_of(std::string_view name) {
  if (is_loadable(name)) return kLoadableTraits;
  const MapType* type = find_map_type(name);
  return type == nullptr ? std::nullopt : std::optional(type->traits);
}

std::string map_type_names() {
  std::vector<std::string_view> names(loadable_types().begin(), loadable_types().end());
  for (const MapType* type : built_in_types()) names.push_back(type->name);
  std::sort(names.begin(), names.end());
  std::string out;
  for (const std::string_view name : names) {
    if (!out.empty()) out += ' ';
    out += name;
  }
  return out;
}

MapKind kind_of(std::string_view table) { return kind_within(table, 0); }

std::string proxy_address(bool for_update) {
  const auto given = from_environment(for_update ? "PROXYWRITE" : "PROXYMAP");
  if (given && !given->empty()) return *given;
  const std::string home = from_environment("QMAILHOME").value_or(QV_QMAILHOME);
  return "unix:" + home + (for_update ? "/proxymap/proxywrite" : "/proxymap/proxymap");
}

bool is_proxied(std::string_view& table) {
  const std::string_view inner = proxymap::strip_proxy(table);
  const bool proxied = inner.size() != table.size();
  table = inner;
  return proxied;
}

}  // namespace qv
