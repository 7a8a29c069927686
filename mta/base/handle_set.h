#pragma once
#include <cstddef>
#include <vector>

namespace mta {

// A set of handles of one table, a bit for each entry up to the highest one that was inserted.
template <class H>
class HandleSet {
public:
    void insert(H handle) {
        if (handle.index() >= bits_.size()) bits_.resize(std::size_t{handle.index()} + 1);
        bits_[handle.index()] = true;
        is_empty_ = false;
    }
    [[nodiscard]] bool contains(H handle) const {
        return handle.index() < bits_.size() && bits_[handle.index()];
    }
    [[nodiscard]] bool is_empty() const { return is_empty_; }
    void clear() {
        bits_.clear();
        is_empty_ = true;
    }

private:
    std::vector<bool> bits_;
    bool is_empty_ = true;
};

}  // namespace mta
