#pragma once
#include <cstdint>
#include <string>

namespace mta::http {

struct Response {
    std::uint32_t status = 200;  // of HTTP
    std::string body;
    std::string content_type = "text/plain; charset=utf-8";
};

}  // namespace mta::http
