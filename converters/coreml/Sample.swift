// Names what is on a photo, on iOS 16 or macOS 13 and later, with Vision.
//
// Nothing compiled or ran this file where it was written. Vision resizes with its own filter and cuts the
// centre its own way, so the pixels aren't those of Loupe and answers can differ. Add Model.mlpackage to
// the app's target: Xcode makes the class Model from it.

import CoreGraphics
import CoreML
import ImageIO
import Vision

final class Classifier {
    private let model: VNCoreMLModel

    init() throws {
        model = try VNCoreMLModel(for: Model(configuration: MLModelConfiguration()).model)
    }

    /// Returns the three likeliest labels with their probabilities.
    func identify(
        _ photo: CGImage, orientation: CGImagePropertyOrientation = .up
    ) throws -> [(label: String, probability: Float)] {
        let request = VNCoreMLRequest(model: model)
        request.imageCropAndScaleOption = .centerCrop
        try VNImageRequestHandler(cgImage: photo, orientation: orientation).perform([request])
        let results = request.results as? [VNClassificationObservation] ?? []
        return results.prefix(3).map { ($0.identifier, $0.confidence) }
    }
}
