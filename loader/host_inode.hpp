// loader/host_inode.hpp: a regular file of the host as the memory system sees it.
//
// The page cache asks it for pages; it reads them from a descriptor of its own, so that a mapping outlives the
// descriptor it was made from. There is one for each file (System::inode_of), which is what lets processes share
// frames.
#pragma once

#include "emu/mm/inode.hpp"
#include "loader/host_fd.hpp"

namespace trapline {

class HostInode final : public Inode {
  public:
    HostInode(Frames& frames, std::uint64_t inode_number, std::string path, HostFd fd);
    ~HostInode() override;

    [[nodiscard]] std::uint64_t size() const override;
    /// Uses `fd` from now on if it may write and the present one may not: shared mappings write back through it.
    void adopt(HostFd fd);

  protected:
    bool fill(std::uint64_t index, std::uint8_t* page) override;
    void write_back(std::uint64_t index, const std::uint8_t* page) override;

  private:
    HostFd fd_;
    bool writable_ = false;
};

} // namespace trapline
