"""Golden values for trainer/tests/golden.rs: loss, all gradients, and weights after 10 AdamW steps, by PyTorch in float64.

Run by hand where PyTorch is installed: python generate.py   (writes tied.safetensors and untied.safetensors beside it)
"""
import math
import pathlib

import torch
from safetensors.torch import save_file

torch.set_default_dtype(torch.float64)
HERE = pathlib.Path(__file__).parent
V, C, L, NH, KV, HS, F = 29, 18, 2, 3, 1, 6, 14
EPS, BASE, STEPS = 1e-5, 1e4, 10
OPT = dict(lr=5e-3, warmup=3, min_ratio=0.1, b1=0.9, b2=0.95, eps=1e-8, wd=0.1, clip=0.4)
# Two passes a step with different numbers of tokens; runs of 1 to 17 tokens, the last of each pass is a document of one token.
RUNS = [[17, 5, 9, 1], [3, 12, 1]]


def init(tied, generator):
    def normal(*shape):
        return (torch.randn(*shape, generator=generator) * 0.15).requires_grad_()

    p = {"embed": normal(V, C)}
    for l in range(L):
        p[f"l{l}.attn_norm"] = (1 + 0.1 * torch.randn(C, generator=generator)).requires_grad_()
        p[f"l{l}.wq"], p[f"l{l}.wk"], p[f"l{l}.wv"] = normal(NH * HS, C), normal(KV * HS, C), normal(KV * HS, C)
        p[f"l{l}.wo"] = normal(C, NH * HS)
        p[f"l{l}.ffn_norm"] = (1 + 0.1 * torch.randn(C, generator=generator)).requires_grad_()
        p[f"l{l}.w_gate"], p[f"l{l}.w_up"], p[f"l{l}.w_down"] = normal(F, C), normal(F, C), normal(C, F)
    p["final_norm"] = (1 + 0.1 * torch.randn(C, generator=generator)).requires_grad_()
    if not tied:
        p["lm_head"] = normal(V, C)
    return p


def rms(x, g):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS) * g


def rope(x, pos):
    half = HS // 2
    angle = pos[:, None] * BASE ** (-2.0 * torch.arange(half) / HS)
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def loss_sum(p, tokens, targets, doc, pos):
    n = tokens.shape[0]
    x = p["embed"][tokens]
    mask = (doc[:, None] == doc[None, :]) & torch.ones(n, n).tril().bool()
    for l in range(L):
        w = lambda name: p[f"l{l}.{name}"]
        h = rms(x, w("attn_norm"))
        q = rope((h @ w("wq").T).view(n, NH, HS), pos)
        k = rope((h @ w("wk").T).view(n, KV, HS), pos).repeat_interleave(NH // KV, 1)
        v = (h @ w("wv").T).view(n, KV, HS).repeat_interleave(NH // KV, 1)
        o = torch.nn.functional.scaled_dot_product_attention(q.transpose(0, 1), k.transpose(0, 1), v.transpose(0, 1), attn_mask=mask)
        x = x + o.transpose(0, 1).reshape(n, NH * HS) @ w("wo").T
        h = rms(x, w("ffn_norm"))
        x = x + (torch.nn.functional.silu(h @ w("w_gate").T) * (h @ w("w_up").T)) @ w("w_down").T
    logits = rms(x, p["final_norm"]) @ p.get("lm_head", p["embed"]).T
    return torch.nn.functional.cross_entropy(logits, targets, ignore_index=-1, reduction="sum")


def batch(generator, step):
    passes = []
    for runs in RUNS:
        tokens, targets, doc, pos = [], [], [], []
        for i, length in enumerate(runs):
            t = torch.randint(0, V, (length,), generator=generator)
            tokens.append(t)
            targets.append(torch.cat([t[1:], torch.tensor([-1])]))
            doc.append(torch.full((length,), i))
            pos.append(torch.arange(length))
        passes.append([torch.cat(x) for x in (tokens, targets, doc, pos)])
    return passes


def lr_at(step):
    o = OPT
    if step < o["warmup"]:
        return o["lr"] * (step + 1) / o["warmup"]
    done = (step - o["warmup"]) / (STEPS - o["warmup"])
    return o["lr"] * (o["min_ratio"] + (1 - o["min_ratio"]) * 0.5 * (1 + math.cos(math.pi * done)))


for tag, tied in (("tied", True), ("untied", False)):
    generator = torch.Generator().manual_seed(7)
    p = init(tied, generator)
    out = {f"init.{k}": v.detach().clone() for k, v in p.items()}
    decayed = [v for v in p.values() if v.dim() == 2]
    gains = [v for v in p.values() if v.dim() == 1]
    adam = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": OPT["wd"]}, {"params": gains, "weight_decay": 0.0}],
        lr=OPT["lr"], betas=(OPT["b1"], OPT["b2"]), eps=OPT["eps"],
    )
    losses, norms, data = [], [], []
    for step in range(STEPS):
        passes = batch(generator, step)
        count = sum(int((t[1] >= 0).sum()) for t in passes)
        adam.zero_grad()
        total = 0.0
        for tokens, targets, doc, pos in passes:
            loss = loss_sum(p, tokens, targets, doc, pos) / count
            loss.backward()
            total += float(loss.detach())
            data.append(torch.stack([tokens, targets, doc, pos]).to(torch.int32).flatten())
        norm = torch.sqrt(sum(v.grad.pow(2).sum() for v in p.values()))
        if step == 0:
            out |= {f"grad.{k}": v.grad.clone() for k, v in p.items()}
        scale = min(1.0, OPT["clip"] / (float(norm) + 1e-12))
        for v in p.values():
            v.grad.mul_(scale)
        for group in adam.param_groups:
            group["lr"] = lr_at(step)
        adam.step()
        losses.append(total)
        norms.append(float(norm))
    out |= {f"final.{k}": v.detach().clone() for k, v in p.items()}
    out |= {"losses": torch.tensor(losses), "norms": torch.tensor(norms), "data": torch.cat(data)}
    save_file(out, HERE / f"{tag}.safetensors", metadata={"torch": torch.__version__})
    print(tag, losses[0], losses[-1], norms[0])
