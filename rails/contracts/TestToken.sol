// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title A token for tests alone: anybody may mint, and it misbehaves on demand.
contract TestToken {
    /// @notice What `transfer` does and returns.
    /// Plain: true. Silent: nothing. Refusing: false, nothing moves. Odd: the number 2. Reverting: reverts.
    /// Calling: before it moves anything, it calls the sender back with `callback`, whatever comes of it.
    enum Mode { Plain, Silent, Refusing, Odd, Reverting, Calling }

    /// @notice Balances, in smallest units.
    mapping(address => uint256) public balanceOf;
    /// @notice How it behaves.
    Mode public mode;
    /// @notice Data of the call back.
    bytes public callback;

    /// @notice Makes tokens from nothing.
    function mint(address account, uint256 amount) external {
        balanceOf[account] += amount;
    }

    /// @notice Changes how it behaves.
    function setMode(Mode mode_, bytes calldata callback_) external {
        mode = mode_;
        callback = callback_;
    }

    /// @notice Moves `amount` from the caller, as far as the mode does.
    function transfer(address to, uint256 amount) external {
        // Without data, which looks like what a silent token returns.
        if (mode == Mode.Reverting) revert();
        if (mode == Mode.Calling) {
            (bool ignored,) = msg.sender.call(callback);
            ignored;
        }
        if (mode != Mode.Refusing) {
            balanceOf[msg.sender] -= amount;
            balanceOf[to] += amount;
        }
        if (mode == Mode.Silent) return;
        uint256 result = mode == Mode.Refusing ? 0 : mode == Mode.Odd ? 2 : 1;
        assembly {
            mstore(0, result)
            return(0, 32)
        }
    }
}
