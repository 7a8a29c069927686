#pragma once
#include <map>
#include <string>

namespace mta::http {

// A request as the handler gets it. Names and values of the query are decoded; of a name that is
// given twice the last value counts.
struct Request {
    std::string method;  // "GET", "POST"
    std::string path;    // "/v1/queue", decoded, without the query
    std::map<std::string, std::string> query;
    std::string body;
};

}  // namespace mta::http
