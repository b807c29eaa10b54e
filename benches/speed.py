"""The model of `trainer/examples/speed.rs` in PyTorch, trained plainly: prints tokens a second. Needs `pip install torch`."""
import sys
import time

import torch
import torch.nn.functional as F

V, C, L, NH, T, B, FF = 8192, 256, 4, 8, 256, 8, 768
torch.set_num_threads(int(sys.argv[2]) if len(sys.argv) > 2 else 2)
seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.n1, self.n2 = torch.nn.RMSNorm(C, eps=1e-5), torch.nn.RMSNorm(C, eps=1e-5)
        self.qkv, self.wo = torch.nn.Linear(C, 3 * C, bias=False), torch.nn.Linear(C, C, bias=False)
        self.gate_up, self.down = torch.nn.Linear(C, 2 * FF, bias=False), torch.nn.Linear(FF, C, bias=False)

    def forward(self, x, cos, sin):
        q, k, v = self.qkv(self.n1(x)).view(B, T, 3, NH, C // NH).permute(2, 0, 3, 1, 4)

        def rope(z):
            a, b = z.chunk(2, -1)
            return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

        o = F.scaled_dot_product_attention(rope(q), rope(k), v, is_causal=True)
        x = x + self.wo(o.transpose(1, 2).reshape(B, T, C))
        g, u = self.gate_up(self.n2(x)).chunk(2, -1)
        return x + self.down(F.silu(g) * u)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(V, C)
        torch.nn.init.normal_(self.embed.weight, std=0.02)
        self.blocks = torch.nn.ModuleList(Block() for _ in range(L))
        self.norm = torch.nn.RMSNorm(C, eps=1e-5)
        half = C // NH // 2
        angle = torch.arange(T)[:, None] * 10000.0 ** (-torch.arange(half) / half)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())

    def forward(self, x, y):
        h = self.embed(x)
        for block in self.blocks:
            h = block(h, self.cos, self.sin)
        return F.cross_entropy((self.norm(h) @ self.embed.weight.T).view(-1, V), y.view(-1))


model = Model()
adam = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)


def step():
    x = torch.randint(0, V, (B, T))
    loss = model(x, x.roll(-1, 1))
    adam.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    adam.step()


step()
start, tokens = time.time(), 0
while time.time() - start < seconds:
    step()
    tokens += B * T
print(f"pytorch    {tokens / (time.time() - start):8.0f} tokens/s")
