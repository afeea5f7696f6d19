#pragma once

#include <string>

namespace vitrine {

// A path of UTF-8 as Windows takes it; empty, which names no file, when it is not valid UTF-8.
// Of 248 characters and more it is made absolute and marked as long, for Windows otherwise refuses
// it unless a registry key is set.
std::wstring WindowsPath(const std::string& path);

}  // namespace vitrine
