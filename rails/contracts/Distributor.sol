// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @dev The two functions of ERC-20 that are called here.
interface IERC20 {
    function balanceOf(address account) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
}

/// @title One payout in one ERC-20 token, claimed account by account below a Merkle root.
/// @notice Anybody may call `claim` for anybody: the tokens go to the account that the tree names. After the deadline anybody
/// may call `sweep`: what is left goes to the treasury that was named at construction.
/// @dev Life of a contract, in this order:
///
/// 1. Deploy. A leaf holds this contract's address, so the address has to be known before there is a root. It is taken from the
///    finished deployment instead of being predicted: a prediction from deployer and nonce, or from a salt, goes wrong with any
///    transaction in between, and then the funds lie at an address whose claims all fail.
/// 2. Build the tree, publish it, and `start` once with its root and deadline. From here on the owner has no power.
/// 3. Compare `root`, `period`, `token`, `treasury` and `deadline` with what was published; only then fund it, by plain transfers
///    of the token. Until `start` an owner's stolen key could name another root, so funds that come earlier are at risk, and they
///    are stuck if the owner's key is lost.
/// 4. Claims until the deadline, sweep after it.
///
/// Not supported: tokens that take a fee on transfer (the account would get less than its amount), tokens whose balances change
/// by themselves, and tokens other than `token`, which stay here for good if they are sent here. No function is payable.
contract Distributor {
    /// @notice A start has to leave this much time for claims; a shorter one is a mistake in the unit or a trick.
    uint256 public constant MIN_WINDOW = 1 days;
    /// @notice A start may not lock the remainder longer; catches a deadline in milliseconds.
    uint256 public constant MAX_WINDOW = 3660 days;

    /// @notice The token that is paid.
    IERC20 public immutable token;
    /// @notice Which payout this is; part of each leaf.
    bytes32 public immutable period;
    /// @notice Who may call `start`, once.
    address public immutable owner;
    /// @notice Where the remainder goes after the deadline.
    address public immutable treasury;

    /// @notice Root of the tree of claims; zero before `start`, then fixed.
    bytes32 public root;
    /// @notice Last second in which claims are paid, in seconds since 1970; zero before `start`, then fixed.
    uint256 public deadline;

    /// @dev Bit `index % 256` of word `index / 256`: 256 neighbouring claims share a storage slot.
    mapping(uint256 => uint256) private claimedWords;

    /// @notice Claims are open.
    event Started(bytes32 indexed root, uint256 deadline);
    /// @notice `account` was paid `amount`.
    event Claimed(uint256 indexed index, address indexed account, uint256 amount);
    /// @notice The remainder went to the treasury.
    event Swept(address indexed treasury, uint256 amount);

    /// @notice The token is not a contract, so transfers of it would seem to succeed.
    error NotAContract(address token);
    /// @notice The zero address or this contract as owner or treasury.
    error InvalidAddress(address found);
    /// @notice Only `owner` may start.
    error NotOwner(address owner, address found);
    /// @notice A second start.
    error AlreadyStarted(bytes32 root);
    /// @notice A claim or a sweep before the start.
    error NotStarted();
    /// @notice The zero root, which stands for no root.
    error InvalidRoot();
    /// @notice The deadline is outside of the window that begins now.
    error InvalidDeadline(uint256 earliest, uint256 latest, uint256 found);
    /// @notice The deadline has passed.
    error ClaimsClosed(uint256 deadline, uint256 time);
    /// @notice The deadline has not passed.
    error ClaimsOpen(uint256 deadline, uint256 time);
    /// @notice This index was paid before.
    error AlreadyClaimed(uint256 index);
    /// @notice The tree has no such claim, or it is a tree of another period, chain or contract.
    error InvalidProof(uint256 index, address account, uint256 amount);
    /// @notice The token reverted, returned false, or returned something else than a bool.
    error TransferFailed(address to, uint256 amount);
    /// @notice A sweep of nothing.
    error NothingToSweep();

    /// @param token_ The token that is paid.
    /// @param period_ Which payout this is.
    /// @param owner_ Who may call `start`; may be a contract, such as a wallet of several keys.
    /// @param treasury_ Where the remainder goes; it has to be able to receive the token, and cannot be changed.
    constructor(IERC20 token_, bytes32 period_, address owner_, address treasury_) {
        if (address(token_).code.length == 0) revert NotAContract(address(token_));
        if (owner_ == address(0) || owner_ == address(this)) revert InvalidAddress(owner_);
        if (treasury_ == address(0) || treasury_ == address(this)) revert InvalidAddress(treasury_);
        token = token_;
        period = period_;
        owner = owner_;
        treasury = treasury_;
    }

    /// @notice Opens the claims, once.
    /// @param root_ Root of the tree over `(index, account, amount, period, chain id, this contract)`.
    /// @param deadline_ Last second in which claims are paid, in seconds since 1970.
    function start(bytes32 root_, uint256 deadline_) external {
        if (msg.sender != owner) revert NotOwner(owner, msg.sender);
        if (root != 0) revert AlreadyStarted(root);
        if (root_ == 0) revert InvalidRoot();
        uint256 earliest = block.timestamp + MIN_WINDOW;
        uint256 latest = block.timestamp + MAX_WINDOW;
        if (deadline_ < earliest || deadline_ > latest) revert InvalidDeadline(earliest, latest, deadline_);
        root = root_;
        deadline = deadline_;
        emit Started(root_, deadline_);
    }

    /// @notice Pays `amount` to `account`, whoever calls.
    /// @param index The claim's position in the tree's list.
    /// @param account Who is paid.
    /// @param amount Smallest units of the token.
    /// @param proof Siblings from the leaf to the root, lowest first.
    function claim(uint256 index, address account, uint256 amount, bytes32[] calldata proof) external {
        if (root == 0) revert NotStarted();
        if (block.timestamp > deadline) revert ClaimsClosed(deadline, block.timestamp);
        if (isClaimed(index)) revert AlreadyClaimed(index);
        if (rootOf(leafOf(index, account, amount), proof) != root) revert InvalidProof(index, account, amount);
        // Marked before the token is called: a token that calls back finds the claim paid.
        claimedWords[index >> 8] |= 1 << (index & 0xff);
        emit Claimed(index, account, amount);
        pay(account, amount);
    }

    /// @notice Sends what is left to the treasury, after the deadline, whoever calls: the destination is fixed, so that there is
    /// nothing to win by calling, and nothing is stuck should the owner's key be lost. Again, should more tokens arrive.
    function sweep() external {
        if (root == 0) revert NotStarted();
        if (block.timestamp <= deadline) revert ClaimsOpen(deadline, block.timestamp);
        uint256 amount = token.balanceOf(address(this));
        if (amount == 0) revert NothingToSweep();
        emit Swept(treasury, amount);
        pay(treasury, amount);
    }

    /// @notice Whether claim `index` was paid.
    function isClaimed(uint256 index) public view returns (bool) {
        return claimedWords[index >> 8] & (1 << (index & 0xff)) != 0;
    }

    /// @notice The leaf of a claim on this chain, from this contract. The chain's id is read each time, so that after a split of
    /// the chain the claims stay on the side that keeps the id.
    function leafOf(uint256 index, address account, uint256 amount) public view returns (bytes32) {
        bytes memory values = abi.encode(index, account, amount, period, block.chainid, address(this));
        return keccak256(bytes.concat(keccak256(values)));
    }

    function rootOf(bytes32 leaf, bytes32[] calldata proof) private pure returns (bytes32 node) {
        node = leaf;
        for (uint256 i = 0; i < proof.length; i++) {
            bytes32 sibling = proof[i];
            node = node < sibling ? keccak256(bytes.concat(node, sibling)) : keccak256(bytes.concat(sibling, node));
        }
    }

    /// @dev Some tokens return nothing, so that a call through the interface would revert on success; others return false
    /// instead of reverting. The constructor saw that the token has code; a token that destroyed itself since returns nothing
    /// from every call, hence the second look.
    function pay(address to, uint256 amount) private {
        (bool success, bytes memory result) = address(token).call(abi.encodeCall(IERC20.transfer, (to, amount)));
        bool accepted = result.length == 0
            ? address(token).code.length != 0
            : result.length >= 32 && abi.decode(result, (uint256)) == 1;
        if (!success || !accepted) revert TransferFailed(to, amount);
    }
}
