#ifdef _WIN32

#include "storage/windows_path.h"

#include <windows.h>

#include <algorithm>

namespace vitrine {
namespace {

// A folder's name must leave room for a short file name in MAX_PATH, 260.
constexpr size_t kLongPath = 248;
constexpr wchar_t kLongPrefix[] = L"\\\\?\\";

std::wstring Wide(const std::string& path) {
  const int bytes = static_cast<int>(std::min<size_t>(path.size(), 1u << 20));
  const int length =
      MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.data(), bytes, nullptr, 0);
  std::wstring wide(static_cast<size_t>(std::max(length, 0)), L'\0');
  if (length > 0) {
    MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.data(), bytes, wide.data(), length);
  }
  return wide;
}

// Also turns '/' into '\', which a marked path must have.
std::wstring Absolute(const std::wstring& path) {
  const DWORD size = GetFullPathNameW(path.c_str(), 0, nullptr, nullptr);
  if (size == 0) return path;
  std::wstring absolute(size, L'\0');
  absolute.resize(GetFullPathNameW(path.c_str(), size, absolute.data(), nullptr));
  return absolute;
}

}  // namespace

std::wstring WindowsPath(const std::string& path) {
  std::wstring wide = Wide(path);
  if (wide.size() < kLongPath || wide.rfind(L"\\\\", 0) == 0) return wide;
  return kLongPrefix + Absolute(wide);
}

}  // namespace vitrine

#endif  // _WIN32
