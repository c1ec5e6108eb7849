"""Predictions and Grad-CAM with pytorch-grad-cam; prints them and the loop's seconds."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.models import ResNet50_Weights, resnet50


def main(folder: str) -> None:
    torch.manual_seed(0)
    model = resnet50(weights=None, num_classes=17).eval()
    dataset = ImageFolder(folder, transform=ResNet50_Weights.IMAGENET1K_V1.transforms())
    loader = DataLoader(dataset, batch_size=32, num_workers=2)
    predictions: list[int] = []
    heatmaps: list[np.ndarray] = []
    start = time.perf_counter()
    with GradCAM(model=model, target_layers=[model.layer4[-1]]) as cam:
        for images, labels in loader:
            targets = [ClassifierOutputTarget(int(label)) for label in labels]
            heatmaps.append(cam(input_tensor=images, targets=targets))
            predictions += cam.outputs.argmax(dim=1).tolist()
    collected = np.concatenate(heatmaps)
    seconds = time.perf_counter() - start
    result = {"seconds": seconds, "predictions": predictions, "heatmaps": len(collected)}
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1])
